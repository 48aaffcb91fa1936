"""A pass of its own that measures seconds per volume, after all accuracy is done.

Data is in memory, templates are prepared and labelers fitted, every plugin is warmed up. The
rounds of all plugins alternate, so that a drifting machine slows all of them alike, and calibration
kernels and `nearest` run in the same process: ratios to them hold across machines.
"""

from __future__ import annotations

import multiprocessing
from concurrent.futures import TimeoutError as JobTimeoutError
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from pebble import ProcessPool

from trackbench.benchmarks.clock import BUDGET_S, TimingJob, measure
from trackbench.benchmarks.plan import cell_key, reference_combination
from trackbench.benchmarks.record import SCORED
from trackbench.benchmarks.rounds import pooled
from trackbench.benchmarks.threads import pin_threads
from trackbench.core.keys import content_key
from trackbench.core.registry import load_registry

if TYPE_CHECKING:
    from collections.abc import Collection

    from trackbench.benchmarks.collect import GroupHead
    from trackbench.benchmarks.combination import Combination
    from trackbench.benchmarks.plan import Part, Plan
    from trackbench.benchmarks.store import Store
    from trackbench.core.registry import Registry
    from trackbench.core.types import Case

__all__ = [
    "SAMPLE",
    "TimingSettings",
    "read_rounds",
    "read_timing",
    "time_again",
    "time_plan",
    "untimed",
]

SAMPLE: Final = 64
"""Cases of a protocol that are timed."""


@dataclass(frozen=True)
class TimingSettings:
    """How a timing pass is made.

    Parameters
    ----------
    seed : int
        The plan's.
    threads : int
        Of numerical libraries.
    timeout_s : float
        After which the measuring process is killed.
    budget_s : float
        Aim for the measuring time of one combination, in s.
    """

    seed: int
    threads: int
    timeout_s: float
    budget_s: float = BUDGET_S


def time_plan(
    registry: Registry, plan: Plan, store: Store, settings: TimingSettings, *, fresh: bool = False
) -> None:
    """Measure what a plan's parts lack, or all of it if `fresh`, and keep it in the store.

    A combination without a scored row isn't measured. A process that dies or hangs costs the
    combinations that do so alone as well.
    """
    for part in plan.parts:
        items = untimed(store, part, settings, fresh=fresh)
        wanted = tuple(item for item in items if _works(store, part, item))
        for item, record in _beside_nearest(registry, part, wanted, settings):
            store.write_timing(_part_key(part, item), record)


def untimed(
    store: Store, part: Part, settings: TimingSettings, *, fresh: bool = False
) -> tuple[Combination, ...]:
    """Give the combinations of a part that a timing pass would measure, were they run."""
    return tuple(
        item for item in part.combinations if fresh or not _measured(store, part, item, settings)
    )


def time_again(
    registry: Registry,
    plan: Plan,
    store: Store,
    settings: TimingSettings,
    names: Collection[tuple[str, ...]],
) -> None:
    """Measure some combinations once more; their rounds join those that the store has.

    Parameters
    ----------
    names : collection of tuples
        Segmenter, matcher, labeler, dataset, protocol and split of each.
    """
    for part in plan.parts:
        task = part.task
        where = (str(task.dataset), task.protocol.name, task.split)
        wanted = tuple(item for item in part.combinations if (*item.names, *where) in names)
        for item, record in _beside_nearest(registry, part, wanted, settings):
            key = _part_key(part, item)
            store.write_timing(key, pooled(store.read_timing(key) or {}, record))


def read_timing(store: Store, head: GroupHead) -> dict[str, Any] | None:
    """Give the timing record of a group without its single rounds; None where there is none."""
    found = read_rounds(store, head)
    return found and {name: value for name, value in found.items() if name != "rounds"}


def read_rounds(store: Store, head: GroupHead) -> dict[str, Any] | None:
    """Give the whole timing record of a group; None where it wasn't measured."""
    found = store.read_timing(_key(head.key, head.dataset, head.protocol.name, head.split))
    return None if found is None or "error" in found else found


def _beside_nearest(
    registry: Registry,
    part: Part,
    wanted: tuple[Combination, ...],
    settings: TimingSettings,
) -> list[tuple[Combination, dict[str, Any]]]:
    """Measure combinations and the reference, and write the reference's time into each record."""
    if not wanted:
        return []
    reference = reference_combination(registry, settings.seed)
    found = _measure(part, wanted, reference, settings)
    nearest = found.get(reference.key, {}) if reference else {}
    beside = {"nearest_s": nearest.get("seconds_per_volume")}
    changed = {"error": "the source of trackbench changed during the run"}
    return [(item, found.get(item.key, changed) | beside) for item in wanted]


def _measure(
    part: Part,
    wanted: tuple[Combination, ...],
    reference: Combination | None,
    settings: TimingSettings,
) -> dict[str, dict[str, Any]]:
    """Measure all together; where their process dies, each with the reference alone."""
    extra = (reference,) if reference and reference not in wanted else ()
    nearest = reference.key if reference else ""
    found = _in_worker(_job((*extra, *wanted), part, settings, nearest), settings.timeout_s)
    if isinstance(found, dict):
        return found
    alone: dict[str, dict[str, Any]] = {}
    for item in wanted if len(wanted) > 1 else ():
        job = _job((*extra, item), part, settings, nearest)
        answer = _in_worker(job, settings.timeout_s)
        alone |= answer if isinstance(answer, dict) else {item.key: {"error": answer}}
    return {item.key: {"error": found} for item in wanted} | alone


def _job(
    combinations: tuple[Combination, ...], part: Part, settings: TimingSettings, nearest: str
) -> TimingJob:
    cases = _sample(part)
    return TimingJob(
        combinations, cases, settings.seed, settings.threads, settings.budget_s, nearest
    )


def _sample(part: Part) -> tuple[Case, ...]:
    cases = part.task.cases
    index = np.unique(np.linspace(0, len(cases) - 1, min(SAMPLE, len(cases))).astype(int))
    return tuple(cases[i] for i in index)


def _in_worker(job: TimingJob, timeout_s: float) -> dict[str, dict[str, Any]] | str:
    """Measure in a fresh process; one line where it doesn't answer."""
    pin_threads(job.threads)
    context = multiprocessing.get_context("spawn")
    with ProcessPool(max_workers=1, context=context) as pool:
        future = pool.schedule(_measure_here, args=(job,), timeout=timeout_s)
        try:
            found: dict[str, dict[str, Any]] = future.result()
        except JobTimeoutError:
            return f"no answer within {timeout_s:g} s"
        except Exception as error:  # noqa: BLE001  whatever a plugin does to its process
            return f"{type(error).__name__}: {error}"
        return found


def _measure_here(job: TimingJob) -> dict[str, dict[str, Any]]:
    return measure(job, load_registry())


def _measured(store: Store, part: Part, item: Combination, settings: TimingSettings) -> bool:
    found = store.read_timing(_part_key(part, item))
    return found is not None and found.get("threads") == settings.threads


def _works(store: Store, part: Part, item: Combination) -> bool:
    record = store.cell(cell_key(item.key, part.chunks[0].key))
    return record is not None and any(row.status in SCORED for row in record.rows)


def _part_key(part: Part, item: Combination) -> str:
    task = part.task
    return _key(item.key, str(task.dataset), task.protocol.name, task.split)


def _key(combination_key: str, dataset: str, protocol: str, split: str) -> str:
    return content_key("timing", combination_key, dataset, protocol, split)
