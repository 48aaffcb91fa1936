"""What a store holds, and what goes without changing a table."""

import pytest
from click.testing import CliRunner

from trackbench.benchmarks.executors.inprocess import InProcessExecutor
from trackbench.benchmarks.options import Options, plan_for
from trackbench.benchmarks.runner import run_plan
from trackbench.benchmarks.session import score
from trackbench.benchmarks.store import Store
from trackbench.cli import app
from trackbench.core.registry import load_registry


def run(folder, noise):
    """Run the trial dataset under one name with inputs that a parameter changes."""
    registry = load_registry()
    options = Options(out=folder, datasets=f"trial[noise_um={noise}]", matchers="counted,nearest")
    run_plan(plan_for(registry, options), Store.create(folder), InProcessExecutor(registry))


@pytest.fixture
def store(tmp_path):
    run(tmp_path / "store", 2)
    (tmp_path / "store" / "cells" / "ab").mkdir(exist_ok=True)
    old = next((tmp_path / "store" / "cells").rglob("*.gz"))
    (tmp_path / "store" / "cells" / "ab" / f"{'ab' * 16}.json.gz").write_bytes(old.read_bytes())
    score(tmp_path / "store")
    return tmp_path / "store"


def call(*words):
    done = CliRunner().invoke(app, ["store", *map(str, words)])
    assert done.exit_code == 0, done.output
    return done.output


def _cells(store):
    return len(list((store / "cells").rglob("*.gz")))


def test_the_size_by_part(store):
    lines = {line[:32].strip(): line[32:].split() for line in call("size", store).splitlines()}
    assert lines["cells that tables are made of"][0] == "2"
    assert lines["stale cells"][0] == "1"
    assert lines["stage outputs"][0] == "2"
    everything = [path for path in store.rglob("*") if path.is_file()]
    assert int(lines["all"][0]) == len(everything)
    assert float(lines["all"][2]) == pytest.approx(
        sum(path.stat().st_size for path in everything) / 1e6, abs=0.01
    )


def test_pruning_removes_what_is_stale_and_no_more(store):
    before = [row.to_json() for row in score(store)]
    assert call("prune", store).split()[1] == "1"
    assert _cells(store) == 2
    assert len(list((store / "stages").rglob("*.npz"))) == 2
    assert [row.to_json() for row in score(store)] == before
    assert call("prune", store).split()[1] == "0"


def test_another_dataset_of_the_same_store_is_not_stale(store):
    run(store, 3)
    call("prune", store)
    assert _cells(store) == 4


def test_stage_outputs_go_when_asked(store):
    call("prune", store, "--stages")
    assert not list((store / "stages").rglob("*.npz"))
    assert _cells(store) == 2


def test_nothing_is_pruned_while_a_run_writes(store):
    with Store.open(store).lock():
        done = CliRunner().invoke(app, ["store", "prune", str(store)])
    assert "another run" in str(done.exception)
    assert _cells(store) == 3
