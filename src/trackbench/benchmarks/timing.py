"""A pass of its own that measures seconds per volume, after all accuracy is done.

Data is in memory, templates are prepared and labelers fitted, every plugin is warmed up. The
repeats of all plugins alternate, so that a drifting machine slows all of them alike, and a
calibration kernel and `nearest` run in the same process: ratios to them hold across machines.
"""

from __future__ import annotations

import multiprocessing
from concurrent.futures import TimeoutError as JobTimeoutError
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from pebble import ProcessExpired, ProcessPool

from trackbench.benchmarks.clock import TimingJob, measure
from trackbench.benchmarks.plan import cell_key, reference_combination
from trackbench.benchmarks.record import SCORED
from trackbench.benchmarks.threads import pin_threads, usable_cores
from trackbench.core.keys import content_key
from trackbench.core.registry import load_registry

if TYPE_CHECKING:
    from trackbench.benchmarks.collect import GroupHead
    from trackbench.benchmarks.combination import Combination
    from trackbench.benchmarks.plan import Part, Plan
    from trackbench.benchmarks.store import Store
    from trackbench.core.registry import Registry
    from trackbench.core.types import Case

__all__ = ["read_timing", "time_plan"]

SAMPLE: Final = 16
"""Cases of a protocol that are timed."""


def time_plan(
    registry: Registry, plan: Plan, store: Store, threads: int | None, timeout_s: float
) -> None:
    """Measure what a plan's parts lack and keep it in the store.

    A combination without a scored row isn't measured. A process that dies or hangs costs the
    combinations that do so alone as well.
    """
    n = threads or usable_cores()
    for part in plan.parts:
        wanted = tuple(
            item
            for item in part.combinations
            if not _measured(store, part, item, n) and _works(store, part, item)
        )
        if not wanted:
            continue
        reference = reference_combination(registry, plan.seed)
        jobs = [_job(part, wanted, reference, plan.seed, n)]
        found = _in_worker(jobs[0], timeout_s)
        if found is None:
            jobs = [_job(part, (item,), reference, plan.seed, n) for item in wanted]
            answers = [_in_worker(job, timeout_s) for job in jobs]
            found = {key: item for answer in answers for key, item in (answer or {}).items()}
        _keep(store, part, wanted, reference, found)


def read_timing(store: Store, head: GroupHead) -> dict[str, Any] | None:
    """Give the timing record of a group; None where it wasn't measured."""
    found = store.read_timing(_key(head.key, head.dataset, head.protocol.name, head.split))
    return None if found is None or "error" in found else found


def _keep(
    store: Store,
    part: Part,
    wanted: tuple[Combination, ...],
    reference: Combination | None,
    found: dict[str, dict[str, Any]],
) -> None:
    nearest = found.get(reference.key, {}) if reference else {}
    for item in wanted:
        record = found.get(item.key, {"error": "the timing process died or hung"})
        both = record | {"nearest_s": nearest.get("seconds_per_volume")}
        store.write_timing(_part_key(part, item), both)


def _job(
    part: Part,
    wanted: tuple[Combination, ...],
    reference: Combination | None,
    seed: int,
    threads: int,
) -> TimingJob:
    extra = (reference,) if reference and reference not in wanted else ()
    return TimingJob((*extra, *wanted), _sample(part), seed, threads)


def _sample(part: Part) -> tuple[Case, ...]:
    cases = part.task.cases
    index = np.unique(np.linspace(0, len(cases) - 1, min(SAMPLE, len(cases))).astype(int))
    return tuple(cases[i] for i in index)


def _in_worker(job: TimingJob, timeout_s: float) -> dict[str, dict[str, Any]] | None:
    context = multiprocessing.get_context("spawn")
    pin_threads(job.threads)
    with ProcessPool(max_workers=1, context=context) as pool:
        future = pool.schedule(_measure_here, args=(job,), timeout=timeout_s)
        try:
            found: dict[str, dict[str, Any]] = future.result()
        except (JobTimeoutError, ProcessExpired):
            return None
        return found


def _measure_here(job: TimingJob) -> dict[str, dict[str, Any]]:
    return measure(job, load_registry())


def _measured(store: Store, part: Part, item: Combination, threads: int) -> bool:
    found = store.read_timing(_part_key(part, item))
    return found is not None and found.get("threads") == threads


def _works(store: Store, part: Part, item: Combination) -> bool:
    record = store.cell(cell_key(item.key, part.chunks[0].key))
    return record is not None and any(row.status in SCORED for row in record.rows)


def _part_key(part: Part, item: Combination) -> str:
    task = part.task
    return _key(item.key, str(task.dataset), task.protocol.name, task.split)


def _key(combination_key: str, dataset: str, protocol: str, split: str) -> str:
    return content_key("timing", combination_key, dataset, protocol, split)
