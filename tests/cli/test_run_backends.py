"""A run is held against a baseline that another backend computed: in accuracy alone."""

import json

import pytest
from tests.cli.running import summary, trackbench

from trackbench.benchmarks.compare.gates import Gates
from trackbench.benchmarks.compare.resultset import read_results, write_baseline
from trackbench.benchmarks.compare.verdict import compare
from trackbench.plugins.fdnc.kernels import SWITCH, why_absent

pytestmark = pytest.mark.skipif(why_absent() is not None, reason=f"no kernels: {why_absent()}")

PLAN = ("run", "--matchers", "fdnc", "--dataset", "semi-synthetic[limit=8]", "--jobs", "0")
TIMED = ("--timing-budget", "0.1")


@pytest.fixture
def baseline(tmp_path):
    """Give a baseline of fdnc on its kernels, as if they were ten times as fast."""
    made = trackbench(*PLAN, *TIMED, "--out", tmp_path / "kernels", **{SWITCH: "0"})
    assert made.returncode == 0, made.stderr_text
    path = tmp_path / "baseline.json"
    write_baseline(path, read_results(tmp_path / "kernels"))
    document = json.loads(path.read_text())
    document["results"][0]["speed"]["seconds"] /= 10
    path.write_text(json.dumps(document))
    return path


def without_the_record(baseline):
    """Write the baseline as versions did that knew of no backends."""
    document = json.loads(baseline.read_text())
    del document["results"][0]["computed_by"]
    path = baseline.with_name("old.json")
    path.write_text(json.dumps(document))
    return path


def test_torch_is_no_slowdown_of_the_kernels(baseline, tmp_path):
    store = tmp_path / "torch"
    held = trackbench(*PLAN, *TIMED, "--out", store, "--against", baseline, **{SWITCH: "1"})
    assert held.returncode == 0, held.stdout_text + held.stderr_text
    assert "can't tell: other backends" in held.stdout_text
    why = f"switched off by {SWITCH}"
    said = f"fdnc is computed by torch ({why}) in head, by native kernels in base"
    assert said in held.stdout_text
    assert summary(store / "summary.json")[0]["computed_by"] == {"fdnc": ["torch", why]}

    (line,) = compare(read_results(baseline), read_results(store), Gates()).lines
    assert line.accuracy.status == "ok"
    assert line.accuracy.difference == pytest.approx(0, abs=0.01)
    assert line.accuracy.n_units == 8
    old = compare(read_results(without_the_record(baseline)), read_results(store), Gates())
    assert old.lines[0].speed.status == "slower"
