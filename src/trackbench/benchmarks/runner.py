"""Runs a plan into a store: what is there stays, what is missing is run."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from trackbench.benchmarks.cell import failed_record
from trackbench.benchmarks.plan_record import plan_record
from trackbench.benchmarks.record import Failure

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from trackbench.benchmarks.executors import Answer, Executor
    from trackbench.benchmarks.plan import Job, Plan
    from trackbench.benchmarks.record import CellRecord
    from trackbench.benchmarks.store import Store

    Progress = Callable[[CellRecord, Job], None]

__all__ = ["Rerun", "pending_jobs", "run_plan"]

Rerun = Literal["missing", "failed", "all"]


def run_plan(
    plan: Plan,
    store: Store,
    executor: Executor,
    *,
    rerun: Rerun = "missing",
    progress: Progress | None = None,
) -> None:
    """Run what a plan lacks. Call it with the store's lock held.

    Parameters
    ----------
    plan : Plan
    store : Store
    executor : Executor
    rerun : str
        "missing" runs the cells that the store lacks, "failed" those with failures as well,
        "all" every cell, stages included.
    progress : callable, optional
        Called with each record as it is stored.

    Raises
    ------
    StoreError
        The store can't be written; what was finished by then stays.
    """
    store.sweep()
    store.write_plan(plan_record(plan))
    if rerun == "all":
        store.forget_stages()
    jobs = list(pending_jobs(plan, store, rerun))
    run = _Run(store, executor, progress)
    run.segment(jobs)
    run.execute(jobs)


def pending_jobs(plan: Plan, store: Store, rerun: Rerun = "missing") -> Iterator[Job]:
    """Give the jobs of a plan with the cells that are to be run; see `run_plan`."""
    for job in plan.jobs():
        cells = tuple(cell for cell in job.cells if not _finished(store, cell.key, rerun))
        if cells:
            yield dataclasses.replace(job, cells=cells)


def _finished(store: Store, key: str, rerun: Rerun) -> bool:
    if rerun == "all":
        return False
    if rerun == "missing":
        return store.has_cell(key)
    record = store.cell(key)
    return record is not None and not record.failed


@dataclass
class _Run:
    store: Store
    executor: Executor
    progress: Progress | None
    unsegmented: dict[tuple[str, str], Failure] = field(default_factory=dict)

    def segment(self, jobs: list[Job]) -> None:
        """Run each segmenter once on each chunk, before the matchers that share its output."""
        first = {
            job.segment_key: dataclasses.replace(job, segment_only=True)
            for job in jobs
            if job.cells[0].combination.segmenter is not None
        }
        if first:
            for answer in self.executor.run(first.values(), self.store.stages):
                if isinstance(answer.outcome, Failure):
                    self.unsegmented[answer.job.segment_key] = answer.outcome

    def execute(self, jobs: list[Job]) -> None:
        """Run jobs; the cells of one whose worker died are told apart by running each alone."""
        ready = []
        for job in jobs:
            failure = self.unsegmented.get(job.segment_key)
            if failure is None:
                ready.append(job)
            else:
                self._fail(job, failure)
        alone: list[Job] = []
        for answer in self.executor.run(ready, self.store.stages):
            alone += self._settle(answer)
        if alone:
            self.execute(alone)

    def _settle(self, answer: Answer) -> list[Job]:
        job, outcome = answer.job, answer.outcome
        if isinstance(outcome, Failure) and len(job.cells) > 1:
            return [dataclasses.replace(job, cells=(cell,)) for cell in job.cells]
        if isinstance(outcome, Failure):
            self._fail(job, outcome)
        else:
            for record in outcome:
                self._keep(record, job)
        return []

    def _fail(self, job: Job, failure: Failure) -> None:
        for cell in job.cells:
            self._keep(failed_record(cell.key, job.chunk.cases, failure), job)

    def _keep(self, record: CellRecord, job: Job) -> None:
        self.store.write_cell(record)
        if self.progress is not None:
            self.progress(record, job)
