"""The trial of the CI check runs, and finds what it planted."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "experiments" / "planted_regressions.py"


TRIES = 3
"""A busy machine spoils a measurement of speed now and then; a fault spoils all."""


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_planted_faults_are_caught(tmp_path):
    for number in range(TRIES):
        said = run_trial(tmp_path / str(number))
        found = trials(tmp_path / str(number))
        if speed_is_told(found):
            break
    exits = {kind: trial["exit"] for kind, trial in found.items()}
    assert exits == {"the same": 0, "3 points worse": 1, "1.5 times slower": 1}, said
    assert found["3 points worse"]["change"] == pytest.approx(-0.03, abs=0.008)
    assert found["the same"]["change"] == 0
    assert found["1.5 times slower"]["ratio"] == pytest.approx(1.5, abs=0.2)


def run_trial(folder):
    """Run the trial once; what it printed."""
    done = subprocess.run(
        [sys.executable, SCRIPT, "--repeats", "1", "--folder", folder],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout + done.stderr


def trials(folder):
    lines = (folder / "trials.jsonl").read_text().splitlines()
    return {trial["kind"]: trial for trial in map(json.loads, lines)}


def speed_is_told(found):
    slower = found["1.5 times slower"]
    return (
        found["the same"]["exit"] == 0
        and slower["exit"] == 1
        and slower["ratio"] == pytest.approx(1.5, abs=0.2)
    )
