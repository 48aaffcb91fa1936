"""Says before a run about how long it will take, from what is known of its combinations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from trackbench.benchmarks.clock import REPEATS
from trackbench.benchmarks.compare.resultset import read_results
from trackbench.benchmarks.kernels import time_kernels
from trackbench.benchmarks.runfile import PROFILES
from trackbench.benchmarks.runner import pending_jobs
from trackbench.benchmarks.store import Store
from trackbench.benchmarks.timing import SAMPLE, untimed
from trackbench.errors import TrackbenchError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from trackbench.benchmarks.combination import Combination
    from trackbench.benchmarks.compare.resultset import Measured, Names
    from trackbench.benchmarks.options import Options
    from trackbench.benchmarks.plan import Part, Plan

__all__ = ["TYPICAL", "Cost", "estimate"]

TYPICAL: Final = PROFILES / "ci-baseline.json"
"""Times of the plugins that come with trackbench; scaled to this machine by the kernels."""

KERNEL_ROUNDS: Final = 3


@dataclass(frozen=True)
class Cost:
    """One combination on one protocol.

    Parameters
    ----------
    way : Combination
    part : Part
    n_pending : int
        Cases that are to be run.
    n_cases : int
    seconds : float or None
        Of the pending cases on one worker, in s; None where nothing is known.
    timing_s : float or None
        Of its timing pass, in s; 0 where it was measured or isn't wanted.
    """

    way: Combination
    part: Part
    n_pending: int
    n_cases: int
    seconds: float | None
    timing_s: float | None


def estimate(plan: Plan, options: Options) -> list[Cost]:
    """Estimate every combination of a plan; nothing is run but the kernels.

    What the store measured of a combination counts first, then what it measured elsewhere, then
    the times that come with trackbench, and of a plugin with other parameters before none at all.
    """
    store = Store(options.out)
    known = list(_known(options.out))
    pending = _pending(plan, store, options)
    found = []
    for part in plan.parts:
        timed = set(untimed(store, part, options.timing_settings, fresh=options.rerun == "all"))
        for way in part.combinations:
            one = _seconds(known, part, way)
            n = pending.get((way.key, part.chunks[0].key), 0)
            measured = options.timing and way in timed
            found.append(
                Cost(
                    way,
                    part,
                    n,
                    len(part.task.cases),
                    None if one is None else one * n,
                    _timing(one, len(part.task.cases), options) if measured else 0.0,
                )
            )
    return found


def _pending(plan: Plan, store: Store, options: Options) -> dict[tuple[str, str], int]:
    """Count the cases to run, by combination and first chunk of its part."""
    first = {chunk.key: part.chunks[0].key for part in plan.parts for chunk in part.chunks}
    counts: dict[tuple[str, str], int] = {}
    for job in pending_jobs(plan, store, options.rerun):
        for cell in job.cells:
            key = cell.combination.key, first[job.chunk.key]
            counts[key] = counts.get(key, 0) + len(job.chunk.cases)
    return counts


def _known(out: Path) -> Iterator[tuple[Names, float]]:
    """Give s per volume on this machine, the best known first."""
    try:
        here = read_results(out)
    except TrackbenchError:
        here = {}
    yield from _times(here, 1.0)
    if TYPICAL.exists():
        typical = read_results(TYPICAL)
        speeds = [item.speed.calibration_s for item in typical.values() if item.speed]
        if speeds:
            yield from _times(typical, _kernel_s() / float(np.median(speeds)))


def _times(results: dict[Names, Measured], factor: float) -> Iterator[tuple[Names, float]]:
    for names, item in results.items():
        if item.speed is not None:
            yield names, item.speed.seconds * factor


def _kernel_s() -> float:
    time_kernels()
    return min(sum(time_kernels().values()) for _ in range(KERNEL_ROUNDS))


def _seconds(known: list[tuple[Names, float]], part: Part, way: Combination) -> float | None:
    wanted = (*way.names, part.task.protocol.name)
    best: tuple[int, float] | None = None
    for names, taken in known:
        likeness = _likeness(wanted, (*names[:3], names[4]))
        if likeness and (best is None or likeness > best[0]):
            best = likeness, taken
    return None if best is None else best[1]


def _likeness(wanted: tuple[str, ...], known: tuple[str, ...]) -> int:
    """Rank a known time: 4 the same, 3 on another protocol, 2 and 1 with other parameters."""
    if wanted[:3] == known[:3]:
        return 4 if wanted == known else 3
    plain = [tuple(name.partition("[")[0] for name in names[:3]) for names in (wanted, known)]
    if plain[0] != plain[1]:
        return 0
    return 2 if wanted[3] == known[3] else 1


def _timing(one: float | None, n_cases: int, options: Options) -> float | None:
    if one is None:
        return None
    return min(2 * REPEATS * one * min(SAMPLE, n_cases), options.timing_budget)
