import os
import subprocess
import sys
import time

import pytest
from tests.conftest import TRIALS


def trackbench(*arguments, **environment):
    return subprocess.run(
        [sys.executable, "-c", "from trackbench.cli import main; main()", *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
        check=False,
    )


def test_help_names_every_command_and_stays_quick():
    seconds = []
    for _ in range(3):
        start = time.perf_counter()
        answer = trackbench("--help")
        seconds.append(time.perf_counter() - start)
    bare = []
    for _ in range(3):
        start = time.perf_counter()
        subprocess.run([sys.executable, "-c", "import numpy, pydantic, click"], check=True)
        bare.append(time.perf_counter() - start)
    from trackbench.cli import COMMANDS

    assert answer.returncode == 0
    assert all(name in answer.stdout for name in COMMANDS)
    assert min(seconds) < 3 * min(bare)


def test_list_names_plugins_with_ranges():
    answer = trackbench("list", "--verbose")
    assert answer.returncode == 0
    assert "sigma_um: float > 0 <= 100 (default 4.0)" in answer.stdout


def test_list_says_what_computes():
    path = os.pathsep.join([str(TRIALS), os.environ.get("PYTHONPATH", "")])
    answer = trackbench("list", "--verbose", PYTHONPATH=path)
    assert "computed by: slow (set TRIAL_FAST)" in answer.stdout
    assert "computed by: fast\n" in trackbench("list", "-v", PYTHONPATH=path, TRIAL_FAST="1").stdout


def test_list_failed_when_all_is_well():
    assert trackbench("list", "--failed").stdout.strip() == "every plugin loaded"


def test_a_blocked_plugin_is_gone():
    assert "nearest" not in trackbench("list", TRACKBENCH_DISABLE_PLUGINS="baselines").stdout


@pytest.mark.parametrize(("typed", "meant"), [("rn", "run"), ("lst", "list")])
def test_a_mistyped_command_is_guessed(typed, meant):
    answer = trackbench(typed)
    assert answer.returncode == 2
    assert meant in answer.stderr
    assert "Traceback" not in answer.stderr
