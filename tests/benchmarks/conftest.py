"""A registry with the trial plugins, and plans over the trial dataset."""

from dataclasses import replace

import pytest

from trackbench.benchmarks.executors.inprocess import InProcessExecutor
from trackbench.benchmarks.runner import run_plan
from trackbench.benchmarks.session import Options, plan_for
from trackbench.benchmarks.store import Store
from trackbench.core.registry import load_registry


@pytest.fixture(scope="session")
def registry():
    return load_registry()


@pytest.fixture
def options(tmp_path):
    return Options(
        out=tmp_path / "store", datasets="trial", matchers="counted", workers=0, timing=False
    )


@pytest.fixture
def planned(registry, options):
    """Give a function that plans with some options changed."""
    return lambda **changes: plan_for(registry, replace(options, **changes))


@pytest.fixture
def run(registry, options, planned):
    """Give a function that runs a plan in this process and gives all of its records."""

    def run_with(**changes):
        plan = planned(**changes)
        store = Store.create(options.out)
        run_plan(plan, store, InProcessExecutor(registry))
        return [store.cell(cell.key) for job in plan.jobs() for cell in job.cells]

    return run_with


@pytest.fixture
def calls(tmp_path, monkeypatch):
    """Give a function that lists what counted plugins were asked, by kind of call."""
    log = tmp_path / "calls"
    monkeypatch.setenv("TRIAL_LOG", str(log))

    def of(kind):
        lines = log.read_text().splitlines() if log.exists() else []
        return [line for line in lines if line.startswith(kind)]

    return of
