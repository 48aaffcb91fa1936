"""On a cluster: the same rows as in this process, whoever dies on the way."""

import re
import shutil
import time
from contextlib import closing
from dataclasses import replace

import pytest
from tests.benchmarks.clusters import cluster
from tests.cli.running import headline, start, summary, trackbench
from tests.conftest import TRIALS

from trackbench.benchmarks.executors import Limits, shipping
from trackbench.benchmarks.executors.dask import DaskExecutor
from trackbench.benchmarks.executors.likeness import differences, likeness
from trackbench.benchmarks.executors.shipping import found_on_disk, origins
from trackbench.benchmarks.runner import run_plan
from trackbench.benchmarks.store import Store
from trackbench.core.keys import content_key
from trackbench.core.spec import Spec
from trackbench.datasets.neuropal import NeuroPAL
from trackbench.errors import ClusterError, InputError

distributed = pytest.importorskip("distributed", reason="install trackbench[dask]")

PLAN = ("run", "--dataset", "trial[n_cases=640]", "--matchers", "counted[sleep_s=0.02],nearest")


def run(folder, *more, **environment):
    return trackbench(
        *PLAN, "--no-timing", "--out", folder / "store", "--summary", folder / "summary.json",
        *more, **environment,
    )  # fmt: skip


@pytest.fixture(scope="module")
def in_process(tmp_path_factory):
    """Give the table of a run in one process."""
    folder = tmp_path_factory.mktemp("in-process")
    assert run(folder, "--jobs", 0).returncode == 0
    return summary(folder / "summary.json")


def _cells(folder):
    return len(list((folder / "store" / "cells").rglob("*.json.gz")))


def test_a_worker_killed_in_the_middle_costs_nothing(in_process, tmp_path):
    with cluster(tmp_path) as found:
        process = start(
            *PLAN, "--no-timing", "--out", tmp_path / "store", "--executor", "dask",
            "--scheduler", found.address, "--summary", tmp_path / "summary.json",
        )  # fmt: skip
        while _cells(tmp_path) < 3:
            assert process.poll() is None, process.stderr.read()
            time.sleep(0.05)
        found.workers[0].kill()
        _, errors = process.communicate(timeout=250)
        assert _cells(tmp_path) == 20
        assert found.workers[1].poll() is None
    assert process.returncode == 0, errors
    assert summary(tmp_path / "summary.json") == in_process


def test_a_cell_that_kills_its_workers_is_the_only_one_lost(tmp_path):
    done = trackbench(
        *("run", "--dataset", "trial[n_cases=128]", "--no-timing", "--executor", "dask"),
        *("--matchers", "counted,parricide,segfault,nearest", "--jobs", 2),
        *("--out", tmp_path / "store", "--summary", tmp_path / "summary.json"),
    )
    assert done.returncode == 3, done.stderr_text
    rows = headline(summary(tmp_path / "summary.json"))
    assert rows["parricide", "transfer"]["statuses"] == {"crashed": 128}
    assert rows["segfault", "transfer"]["statuses"] == {"crashed": 128}
    assert rows["counted", "transfer"]["statuses"] == {"ok": 128}
    assert rows["nearest", "transfer"]["statuses"] == {"ok": 128}


def test_a_worker_with_another_version_is_refused(tmp_path):
    shutil.copytree(TRIALS, tmp_path / "site")
    metadata = tmp_path / "site" / "trackbench_trials-1.0.dist-info" / "METADATA"
    metadata.write_text(metadata.read_text().replace("1.0", "1.1"))
    source = tmp_path / "site" / "trackbench_trials" / "matchers.py"
    source.write_text(source.read_text() + "\n# changed\n")
    with cluster(tmp_path, workers=0) as found:
        found.add_worker(PYTHONPATH=str(tmp_path / "site"))
        # `nearest` is the same there
        only = ("--matchers", "counted")
        done = run(tmp_path, *only, "--executor", "dask", "--scheduler", found.address)
    assert done.returncode == 2
    assert "matcher counted trackbench-trials 1.1 (source" in done.stderr_text
    assert "instead of trackbench-trials 1.0 (source" in done.stderr_text
    assert done.stderr_text.count("\n") == 1
    assert _cells(tmp_path) == 0


def test_a_scheduler_that_goes_leaves_the_finished_cells(in_process, tmp_path):
    with cluster(tmp_path) as found:
        process = start(
            *PLAN, "--no-timing", "--out", tmp_path / "store",
            "--executor", "dask", "--scheduler", found.address,
        )  # fmt: skip
        while _cells(tmp_path) < 2:
            assert process.poll() is None, process.stderr.read()
            time.sleep(0.05)
        found.scheduler.kill()
        _, errors = process.communicate(timeout=250)
    assert process.returncode == 2
    assert "the Dask scheduler is gone" in errors
    assert errors.count("\n") == 1
    assert run(tmp_path, "--jobs", 2).returncode == 0
    assert summary(tmp_path / "summary.json") == in_process


def test_nobody_at_the_address(tmp_path):
    done = run(tmp_path, "--executor", "dask", "--scheduler", "tcp://127.0.0.1:9")
    assert done.returncode == 2
    assert "no Dask scheduler answers at tcp://127.0.0.1:9" in done.stderr_text
    assert "dask scheduler" in done.stderr_text
    assert done.stderr_text.count("\n") == 1


def test_likeness_tells_versions_sources_and_what_is_not_there(registry):
    here = likeness(registry, [("matcher", "cpd"), ("matcher", "counted")])
    assert differences(here, dict(here)) == []
    there = {**here, "numpy": "1.0"}
    del there["matcher cpd"]
    found = differences(here, there)
    assert found[0] == f"numpy 1.0 instead of {here['numpy']}"
    assert found[1].startswith("matcher cpd not installed instead of trackbench")
    assert likeness(registry, [("matcher", "no-such")])["matcher no-such"] == "not installed"


def test_likeness_tells_what_computes(registry, monkeypatch):
    here = likeness(registry, [("matcher", "two-ways")])
    monkeypatch.setenv("TRIAL_FAST", "1")
    (found,) = differences(here, likeness(registry, [("matcher", "two-ways")]))
    assert re.search(r"computed by fast\) instead of .* computed by slow\)", found)


@pytest.fixture
def large(monkeypatch):
    """Let every chunk with images count as large."""
    monkeypatch.setattr(shipping, "LARGE_BYTES", 1)


def test_a_large_chunk_is_read_where_the_worker_is(planned, large):
    plan = planned(protocols="trial-images")
    (chunk,) = plan.parts[0].chunks
    found = found_on_disk(origins(plan, None)[chunk.key], chunk.key)
    assert content_key(found.cases) == content_key(chunk.cases)
    assert not origins(planned(), None), "no images, nothing large"


def test_what_a_worker_cannot_find_on_its_disk(planned, large, tmp_path):
    plan = planned(protocols="trial-images")
    (chunk,) = plan.parts[0].chunks
    origin = origins(plan, tmp_path)[chunk.key]
    with pytest.raises(InputError, match="other data here"):
        found_on_disk(origin, "0" * 32)
    protocol = next(item for item in NeuroPAL().protocols() if item.name == "chaudhary")
    elsewhere = replace(origin, dataset=Spec("neuropal"), protocol=protocol)
    with pytest.raises(InputError, match="it holds no folder"):
        found_on_disk(elsewhere, chunk.key)


@pytest.fixture(scope="module")
def client():
    with (
        distributed.LocalCluster(
            n_workers=1, threads_per_worker=2, processes=False, dashboard_address=None
        ) as local,
        distributed.Client(local) as found,
    ):
        yield found


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.usefixtures("large")
def test_images_are_read_there_or_else_sent(known, client, registry, planned, options):
    plan = planned(protocols="trial-images", segmenters="counted-segmenter")
    known_origins = origins(plan, None)
    if not known:
        known_origins = {
            key: replace(item, split="validation") for key, item in known_origins.items()
        }
    store = Store.create(options.out)
    with closing(DaskExecutor(client, registry, Limits(), origins=known_origins)) as executor:
        run_plan(plan, store, executor)
        assert bool(executor._origins) == known
    (record,) = [store.cell(cell.key) for job in plan.jobs() for cell in job.cells]
    assert [row.status for row in record.rows] == ["ok"] * 6


def test_a_time_limit_holds_on_a_cluster(client, registry, planned, options):
    plan = planned(matchers="hang,counted")
    store = Store.create(options.out)
    with closing(DaskExecutor(client, registry, Limits(timeout_s=3))) as executor:
        run_plan(plan, store, executor)
    records = [store.cell(cell.key) for job in plan.jobs() for cell in job.cells]
    assert [record.rows[0].status for record in records] == ["timed out", "ok"]


def test_a_worker_without_the_plugin_is_refused(client, registry, planned, options, monkeypatch):
    plan = planned()
    monkeypatch.setenv("TRACKBENCH_DISABLE_PLUGINS", "trials")
    store = Store.create(options.out)
    with (
        closing(DaskExecutor(client, registry, Limits())) as executor,
        pytest.raises(ClusterError, match="matcher counted not installed instead of"),
    ):
        run_plan(plan, store, executor)
