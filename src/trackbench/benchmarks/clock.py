"""Measures ways through the pipeline and a calibration kernel, alternating, in one process."""

from __future__ import annotations

import dataclasses
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from trackbench.benchmarks.matching import seen_test
from trackbench.benchmarks.stages import StageCache
from trackbench.benchmarks.threads import pin_threads, thread_record
from trackbench.benchmarks.workbench import Workbench
from trackbench.core.pipeline import label_test, match_batch, reason_to_skip

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from trackbench.benchmarks.combination import Combination
    from trackbench.core.registry import Registry
    from trackbench.core.types import Case, Match, PointCloud

__all__ = ["TimingJob", "calibrate", "measure"]

REPEATS: Final = 5
MAX_SINGLES: Final = 100
KERNEL_SIZE: Final = 512
KERNEL_ROUNDS: Final = 8


@dataclass(frozen=True)
class TimingJob:
    """What is measured together.

    Parameters
    ----------
    combinations : tuple of Combination
    cases : tuple of Case
        The sample; every combination is measured on the same cases.
    seed : int
    threads : int
    budget_s : float
        Aim for the measuring time of one combination, in s; one repeat is made in any case.
    """

    combinations: tuple[Combination, ...]
    cases: tuple[Case, ...]
    seed: int
    threads: int
    budget_s: float = 10.0


def calibrate() -> float:
    """Time the calibration kernel: float32 products, exponentials and sorts of fixed size, in s."""
    rng = np.random.default_rng(0)
    matrix = rng.standard_normal((KERNEL_SIZE, KERNEL_SIZE), dtype=np.float32)
    start = time.perf_counter()
    for _ in range(KERNEL_ROUNDS):
        product = matrix @ matrix.T
        np.sort(np.exp(-np.abs(product)), axis=1)
    return (time.perf_counter() - start) / KERNEL_ROUNDS


def measure(job: TimingJob, registry: Registry) -> dict[str, dict[str, Any]]:
    """Measure every combination of a job.

    Returns
    -------
    dict
        One record a combination key: `seconds_per_volume` (batched, median of the repeats),
        `p50_s` and `p99_s` one at a time, the sample, the threads, and `calibration_s` of the
        same process; or `error` where a plugin failed.
    """
    bench = Workbench(registry, StageCache(None), job.seed)
    ways: dict[str, _Way] = {}
    records: dict[str, dict[str, Any]] = {}
    for item in job.combinations:
        try:
            ways[item.key] = _Way.warmed(item, bench, job)
        except Exception as error:  # noqa: BLE001  a plugin's own code may throw anything
            records[item.key] = {"error": f"{type(error).__name__}: {error}"}
    pin_threads(job.threads)
    kernel = [calibrate()]
    for _ in range(REPEATS):
        for way in ways.values():
            way.repeat(job.budget_s)
        kernel.append(calibrate())
    common = {
        "threads": job.threads,
        "calibration_s": float(np.median(kernel)),
        "pools": thread_record(),
    }
    return records | {key: way.record() | common for key, way in ways.items()}


@dataclass
class _Way:
    """One combination, ready to run, and what it has taken so far."""

    run: Callable[[Sequence[int]], None]
    n_cases: int
    batches: list[float] = dataclasses.field(default_factory=list)
    singles: list[float] = dataclasses.field(default_factory=list)

    @classmethod
    def warmed(cls, item: Combination, bench: Workbench, job: TimingJob) -> _Way:
        """Prepare templates, fit labelers, run once, and choose how many cases fit the budget."""
        pin_threads(job.threads)
        run = _runner(item, bench, job.cases)
        run([0])
        start = time.perf_counter()
        run([0])
        one = max(time.perf_counter() - start, 1e-6)
        n = int(np.clip(job.budget_s / (2 * REPEATS * one), 1, len(job.cases)))
        run(range(n))
        return cls(run, n)

    def repeat(self, budget_s: float) -> None:
        """Measure all cases in one batch, then one at a time, unless the budget is spent."""
        if self.batches and sum(self.batches) + sum(self.singles) > budget_s:
            return
        self.batches.append(self._timed(range(self.n_cases)))
        for i in range(self.n_cases):
            if len(self.singles) < MAX_SINGLES:
                self.singles.append(self._timed([i]))

    def record(self) -> dict[str, Any]:
        """Give the figures in s."""
        return {
            "seconds_per_volume": float(np.median(self.batches)) / self.n_cases,
            "p50_s": float(np.quantile(self.singles, 0.5)),
            "p99_s": float(np.quantile(self.singles, 0.99)),
            "n_cases": self.n_cases,
            "repeats": len(self.batches),
        }

    def _timed(self, index: Sequence[int]) -> float:
        start = time.perf_counter()
        self.run(index)
        return time.perf_counter() - start


def _runner(
    item: Combination, bench: Workbench, cases: Sequence[Case]
) -> Callable[[Sequence[int]], None]:
    """Give a function that takes some cases from their inputs to labels."""
    matcher = item.matcher and bench.matcher(item.matcher, item.matcher_key)
    segmenter = item.segmenter and bench.segmenter(item.segmenter, item.segmenter_key)
    specs = zip(item.labelers, item.labeler_keys, strict=True)
    labelers = [bench.labeler(spec, key) for spec, key in specs]
    fitted = [bench.fitted(labelers, case.templates) for case in cases]
    templates = {id(cloud): cloud for case in cases for cloud in case.templates}
    prepared = (
        {key: bench.prepared(matcher, cloud) for key, cloud in templates.items()}
        if (matcher)
        else {}
    )
    for plugin in (matcher, segmenter, *labelers):
        reason = plugin and reason_to_skip(plugin, cases[0])
        if reason:
            raise ValueError(reason)

    def test_of(i: int) -> PointCloud:
        volume = cases[i].volume
        if segmenter and volume is not None:
            return segmenter.segment(volume)
        return seen_test(matcher, cases[i]) if matcher else cases[i].test

    def run(index: Sequence[int]) -> None:
        tests = {i: test_of(i) for i in index}
        found: dict[int, list[Match]] = {i: [] for i in index}
        for key, template in templates.items() if matcher else ():
            users = [i for i in index if any(id(t) == key for t in cases[i].templates)]
            if matcher and users:
                batch = [tests[i] for i in users]
                matches = match_batch(matcher, prepared[key], template, batch)
                for i, match in zip(users, matches, strict=True):
                    found[i].append(match)
        for i in index:
            label_test(fitted[i], tests[i].without_names(), found[i])

    return run
