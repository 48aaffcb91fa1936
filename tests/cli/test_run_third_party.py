"""A matcher from a package of its own, by name, beside the built-in ones; its gates."""

import json

import pytest
from tests.cli.running import trackbench

WORMS = "semi-synthetic[limit=8]"


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    folder = tmp_path_factory.mktemp("third-party")
    answer = trackbench(
        *("run", "--matchers", "hello,cpd,nearest,random,truth", "--dataset", WORMS),
        *("--out", folder / "store", "--summary", folder / "summary.json", "--jobs", "1"),
    )
    assert answer.returncode == 0, answer.stderr_text
    return folder


def test_hello_stands_beside_the_built_ins(store):
    rows = json.loads((store / "summary.json").read_text())
    means = {row["matcher"]: row["mean"] for row in rows if row["primary"]}
    assert set(means) == {"hello", "cpd", "nearest", "random", "truth"}
    assert means["truth"] == 1
    assert means["cpd"] > 0.6
    assert means["random"] < 0.1
    assert all(row["statuses"] == {"ok": 8} for row in rows)


def test_it_is_timed_beside_nearest_and_the_calibration_kernel(store):
    rows = json.loads((store / "summary.json").read_text())
    timings = {row["matcher"]: row["timing"] for row in rows if row["primary"]}
    assert all(timing["seconds_per_volume"] > 0 for timing in timings.values())
    assert all(timing["calibration_s"] > 0 for timing in timings.values())
    assert timings["hello"]["nearest_s"] > 0


def test_a_run_is_no_regression_of_itself(store):
    baseline = store / "baseline.json"
    assert trackbench("baseline", "update", store / "store", baseline).returncode == 0
    answer = trackbench("compare", baseline, store / "store")
    assert answer.returncode == 0, answer.stdout_text + answer.stderr_text
    assert "no regression" in answer.stdout_text


@pytest.mark.parametrize("shape", ["table", "markdown", "json"])
def test_a_planted_loss_of_accuracy_is_exit_code_1(store, shape):
    baseline = store / "better.json"
    trackbench("baseline", "update", store / "store", baseline)
    document = json.loads(baseline.read_text())
    for item in document["results"]:
        item["by_unit"] = {unit: x + 0.03 for unit, x in item["by_unit"].items()}
    baseline.write_text(json.dumps(document))
    gates = store / "gates.toml"
    gates.write_text("accuracy = -0.01\nalpha = 0.05\n")
    answer = trackbench("compare", baseline, store / "store", "--gates", gates, "--format", shape)
    assert answer.returncode == 1, answer.stdout_text + answer.stderr_text
    assert "is worse than" in answer.stderr_text


def test_a_planted_slowdown_is_exit_code_1(store):
    baseline = store / "faster.json"
    trackbench("baseline", "update", store / "store", baseline)
    document = json.loads(baseline.read_text())
    for item in document["results"]:
        item["speed"]["seconds"] /= 1.5
    baseline.write_text(json.dumps(document))
    assert trackbench("compare", baseline, store / "store").returncode == 1
