"""Measures ways through the pipeline and calibration kernels, alternating, in one process."""

from __future__ import annotations

import dataclasses
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from trackbench.benchmarks.kernels import time_kernels
from trackbench.benchmarks.matching import seen_test
from trackbench.benchmarks.rounds import NEAREST, Rounds
from trackbench.benchmarks.stages import StageCache
from trackbench.benchmarks.stopwatch import WAITING_IS_KNOWN, seconds
from trackbench.benchmarks.threads import pin_threads, thread_record
from trackbench.benchmarks.workbench import Workbench
from trackbench.core.pipeline import label_test, match_batch, reason_to_skip

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from trackbench.benchmarks.combination import Combination
    from trackbench.core.registry import Registry
    from trackbench.core.types import Case, Match, PointCloud

__all__ = ["BUDGET_S", "REPEATS", "TimingJob", "measure"]

REPEATS: Final = 9
SETTLE_S: Final = 0.05
"""Waited before a measurement: threads of a numerical library that has nothing more to do keep
asking for work for up to 25 ms, on the cores that the next method computes on."""

MAX_SINGLES: Final = 100
BUDGET_S: Final = 10.0


@dataclass(frozen=True)
class TimingJob:
    """What is measured together.

    Parameters
    ----------
    combinations : tuple of Combination
    cases : tuple of Case
        The sample; every combination is measured on the first of these cases.
    seed : int
    threads : int
    budget_s : float
        Aim for the measuring time of one combination, in s; one repeat is made in any case.
    nearest : str, optional
        Key of the combination that is the reference for the others.
    """

    combinations: tuple[Combination, ...]
    cases: tuple[Case, ...]
    seed: int
    threads: int
    budget_s: float = BUDGET_S
    nearest: str = ""


def measure(job: TimingJob, registry: Registry) -> dict[str, dict[str, Any]]:
    """Measure every combination of a job.

    Returns
    -------
    dict
        One record a combination key: `seconds_per_volume` (batched, median of the rounds),
        `p50_s` and `p99_s` one at a time, `rounds` with the single values and their ratios to
        each reference, the sample, the threads, and the kernels' s in the same process; or
        `error` where a plugin failed.
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
    kernels = _alternate(ways, job)
    middle = {name: float(np.median([found[name] for found in kernels])) for name in kernels[0]}
    common = {
        "threads": job.threads,
        "waiting_left_out": WAITING_IS_KNOWN,
        "calibration_s": sum(middle.values()),
        "kernels_s": middle,
        "pools": thread_record(),
    }
    return records | {key: way.record() | common for key, way in ways.items()}


def _alternate(ways: dict[str, _Way], job: TimingJob) -> list[dict[str, float]]:
    """Measure all ways in turn, kernels before and after each; give all kernel times."""
    time_kernels()
    kernels = [time_kernels()]
    for _ in range(REPEATS):
        taken: dict[str, tuple[float, dict[str, float]]] = {}
        for key, way in ways.items():
            if way.spent_s < job.budget_s:
                batch = way.batch()
                kernels.append(time_kernels())
                before, after = kernels[-2:]
                taken[key] = batch, {name: (before[name] + after[name]) / 2 for name in after}
                way.one_by_one()
        nearest, _ = taken.get(job.nearest, (None, {}))
        for key, (batch, references) in taken.items():
            beside = {NEAREST: nearest} if nearest and key != job.nearest else {}
            ways[key].rounds.add(batch, references | beside)
    return kernels


@dataclass
class _Way:
    """One combination, ready to run, and what it has taken so far."""

    run: Callable[[Sequence[int]], None]
    n_cases: int
    spent_s: float = 0.0
    rounds: Rounds = dataclasses.field(default_factory=Rounds)

    @classmethod
    def warmed(cls, item: Combination, bench: Workbench, job: TimingJob) -> _Way:
        """Prepare templates, fit labelers, choose how many cases fit the budget, run each once.

        The number is a power of two: a small difference in speed changes no sample.
        """
        pin_threads(job.threads)
        run = _runner(item, bench, job.cases)
        run([0])
        one = max(seconds(lambda: run([0])), 1e-6)
        fit = np.clip(job.budget_s / (2 * REPEATS * one), 1, len(job.cases))
        n = len(job.cases) if fit == len(job.cases) else 2 ** int(np.log2(fit))
        run(range(n))
        for i in range(n):  # libraries compile for each new shape, once: no part of any percentile
            run([i])
        return cls(run, n)

    def batch(self) -> float:
        """Measure all cases in one batch, in s per volume."""
        self._settle()
        return self._timed(range(self.n_cases)) / self.n_cases

    def one_by_one(self) -> None:
        """Measure the cases one at a time, as long as there are few values."""
        self._settle()
        for i in range(self.n_cases):
            if len(self.rounds.singles) < MAX_SINGLES:
                self.rounds.singles.append(self._timed([i]))

    def record(self) -> dict[str, Any]:
        """Give the figures in s."""
        return self.rounds.record() | {"n_cases": self.n_cases}

    def _settle(self) -> None:
        """Let other libraries' threads fall asleep and wake the own ones, as in steady use."""
        time.sleep(SETTLE_S)
        self.run([0])

    def _timed(self, index: Sequence[int]) -> float:
        taken = seconds(lambda: self.run(index))
        self.spent_s += taken
        return taken


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
