"""What is run again, and what is not."""

import pytest

from trackbench.benchmarks.executors import Answer
from trackbench.benchmarks.executors.inprocess import InProcessExecutor
from trackbench.benchmarks.record import CRASHED, Failure
from trackbench.benchmarks.runner import pending_jobs, run_plan
from trackbench.benchmarks.store import Store
from trackbench.errors import StoreError


@pytest.fixture
def store(options):
    return Store.create(options.out)


def test_only_missing_cells_are_run(registry, planned, store, calls):
    run_plan(planned(datasets="trial[n_cases=70]"), store, InProcessExecutor(registry))
    next((store.folder / "cells").rglob("*.gz")).unlink()
    plan = planned(datasets="trial[n_cases=70]")
    assert len(list(pending_jobs(plan, store))) == 1


def test_failed_cells_are_kept_unless_asked_for(registry, planned, store):
    plan = planned(matchers="nan,counted")
    run_plan(plan, store, InProcessExecutor(registry))
    assert not list(pending_jobs(plan, store))
    (again,) = pending_jobs(plan, store, "failed")
    assert again.cells[0].combination.names[1] == "nan"


def test_all_cells_are_run_again_with_their_stages(registry, planned, store, calls):
    plan = planned()
    for rerun in ("missing", "missing", "all"):
        run_plan(plan, store, InProcessExecutor(registry), rerun=rerun)
    assert len(calls("match")) == 2 * plan.n_rows


def test_progress_hears_of_every_cell(registry, planned, store):
    heard = []
    plan = planned(matchers="nan,counted", labelers="transfer,prior")
    run_plan(plan, store, InProcessExecutor(registry), progress=lambda r, job: heard.append(r.key))
    assert len(heard) == len(set(heard)) == plan.n_cells


def test_what_was_finished_before_the_disk_filled_stays(registry, planned, store, monkeypatch):
    plan = planned(matchers="counted,nearest")
    original = Store.write_cell
    written = []

    def full_after_one(self, record):
        if written:
            raise StoreError("can't write", "free some space")
        written.append(record.key)
        original(self, record)

    monkeypatch.setattr(Store, "write_cell", full_after_one)
    with pytest.raises(StoreError):
        run_plan(plan, store, InProcessExecutor(registry))
    monkeypatch.undo()
    assert store.cell(written[0]) is not None
    assert len(list(pending_jobs(plan, store))) == 1


class _DyingExecutor:
    """Stands for a worker pool in which every job with more than one cell dies."""

    def __init__(self, inner):
        self.inner = inner
        self.sizes = []

    def run(self, jobs, stages):
        for job in jobs:
            self.sizes.append(len(job.cells))
            if len(job.cells) > 1:
                yield Answer(job, Failure(CRASHED, "died"))
            else:
                yield from self.inner.run([job], stages)


def test_cells_of_a_dead_job_are_run_each_alone(registry, planned, store):
    executor = _DyingExecutor(InProcessExecutor(registry))
    plan = planned(labelers="transfer,transfer[weight=2]")
    run_plan(plan, store, executor)
    assert executor.sizes == [2, 1, 1]
    records = [store.cell(cell.key) for job in plan.jobs() for cell in job.cells]
    assert not any(record.failed for record in records)
