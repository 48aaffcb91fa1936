"""The trial of the CI check runs, and finds what it planted."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "experiments" / "planted_regressions.py"


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_planted_faults_are_caught(tmp_path):
    folder = tmp_path / "trial"
    done = run_trial(folder)
    if done.returncode != 0:  # a busy machine hides a slowdown now and then, a fault always
        folder = tmp_path / "again"
        done = run_trial(folder)
    assert done.returncode == 0, done.stdout + done.stderr
    trials = map(json.loads, (folder / "trials.jsonl").read_text().splitlines())
    found = {trial["kind"]: trial for trial in trials}
    assert {kind: trial["exit"] for kind, trial in found.items()} == {
        "the same": 0,
        "3 points worse": 1,
        "1.5 times slower": 1,
    }
    assert found["3 points worse"]["change"] == pytest.approx(-0.03, abs=0.008)
    assert found["the same"]["change"] == 0
    assert found["1.5 times slower"]["ratio"] == pytest.approx(1.5, abs=0.2)


def run_trial(folder):
    return subprocess.run(
        [sys.executable, SCRIPT, "--repeats", "1", "--folder", folder],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
