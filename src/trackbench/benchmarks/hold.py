"""Holds a run against a base, and measures a slowdown again before it counts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from trackbench.benchmarks.collect import heads
from trackbench.benchmarks.compare.resultset import names_of, read_results
from trackbench.benchmarks.compare.verdict import compare
from trackbench.benchmarks.plan_record import plan_record
from trackbench.benchmarks.store import Store
from trackbench.benchmarks.timing import time_again

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from trackbench.benchmarks.compare.gates import Gates
    from trackbench.benchmarks.compare.resultset import Measured, Names
    from trackbench.benchmarks.compare.verdict import Comparison
    from trackbench.benchmarks.options import Options
    from trackbench.benchmarks.plan import Plan
    from trackbench.core.registry import Registry

__all__ = ["hold"]

MEASURED_AGAIN: Final = 2
"""How often at most. The rounds of all passes count together."""


def hold(
    registry: Registry, options: Options, plan: Plan, base: Mapping[Names, Measured], gates: Gates
) -> Comparison:
    """Compare what a plan gave with a base.

    Parameters
    ----------
    registry : Registry
    options : Options
        With which `plan` was run; other results in the store are left out.
    plan : Plan
    base : mapping
        See `resultset.read_results`.
    gates : Gates

    Raises
    ------
    NothingComparableError
        Base and plan share no combination with a common animal.
    """
    wanted = {names_of(head) for head in heads(plan_record(plan))}
    found = _compared(options.out, base, gates, wanted)
    for _ in range(MEASURED_AGAIN if options.timing else 0):
        slow = {line.names for line in found.lines if line.speed.status == "slower"}
        if not slow:
            break
        store = Store.open(options.out)
        with store.lock():
            time_again(registry, plan, store, options.timing_settings, slow)
        found = _compared(options.out, base, gates, wanted)
    return found


def _compared(
    out: Path, base: Mapping[Names, Measured], gates: Gates, wanted: set[Names]
) -> Comparison:
    head = {names: found for names, found in read_results(out).items() if names in wanted}
    return compare(base, head, gates)
