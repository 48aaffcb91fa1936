"""Killed and started again, on one worker or two: the same table, and nothing runs twice."""

import os
import signal
import time
from collections import Counter
from pathlib import Path

import pytest
from tests.cli.running import start, summary, trackbench

PLAN = ("run", "--dataset", "trial[n_cases=512]", "--matchers", "counted[sleep_s=0.004],nearest")


def run(folder, *more, **environment):
    return trackbench(
        *PLAN, "--no-timing", "--out", folder / "store", "--summary", folder / "summary.json",
        *more, **environment,
    )  # fmt: skip


def calls(path):
    lines = path.read_text().splitlines() if path.exists() else []
    return [line for line in lines if line.startswith("match")]


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    """Give the table of a run on one worker that nobody disturbed."""
    folder = tmp_path_factory.mktemp("uninterrupted")
    assert run(folder, "--jobs", 1).returncode == 0
    return summary(folder / "summary.json")


@pytest.mark.parametrize("jobs", [0, 2])
def test_the_table_does_not_depend_on_the_executor(uninterrupted, tmp_path, jobs):
    assert run(tmp_path, "--jobs", jobs).returncode == 0
    assert summary(tmp_path / "summary.json") == uninterrupted


def _alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"


def _children(pid):
    found = Path(f"/proc/{pid}/task/{pid}/children")
    return [int(word) for word in found.read_text().split()] if found.exists() else []


def test_kill_9_loses_at_most_the_cells_in_flight(uninterrupted, tmp_path):
    log = tmp_path / "calls"
    process = start(*PLAN, "--no-timing", "--out", tmp_path / "store", "--jobs", 2,
                    TRIAL_LOG=str(log))  # fmt: skip
    while len(calls(log)) < 200:
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.02)
    workers = _children(process.pid)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    cells = list((tmp_path / "store" / "cells").rglob("*.json.gz"))
    assert cells, "no cell was finished before the kill"
    before = Counter(calls(log))

    deadline = time.monotonic() + 10
    while any(map(_alive, workers)) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not any(map(_alive, workers)), "workers outlived their run"

    before = Counter(calls(log))
    assert run(tmp_path, "--jobs", 2, TRIAL_LOG=str(log)).returncode == 0
    assert summary(tmp_path / "summary.json") == uninterrupted
    after = Counter(calls(log))
    twice = [line for line, n in after.items() if n > 1]
    assert len(twice) <= 2 * 64, "more than the two cells in flight ran again"
    assert set(after) >= set(before)
    assert len(after) == 512
    assert not list((tmp_path / "store").rglob(".part-*"))


def test_the_same_command_again_runs_nothing(tmp_path):
    log = tmp_path / "calls"
    assert run(tmp_path, "--jobs", 1, TRIAL_LOG=str(log)).returncode == 0
    first = summary(tmp_path / "summary.json")
    assert len(calls(log)) == 512
    assert run(tmp_path, "--jobs", 2, TRIAL_LOG=str(log)).returncode == 0
    assert len(calls(log)) == 512
    assert summary(tmp_path / "summary.json") == first


def test_two_runs_into_one_store_at_once(tmp_path):
    log = tmp_path / "calls"
    first = start(*PLAN, "--no-timing", "--out", tmp_path / "store", "--jobs", 1,
                  TRIAL_LOG=str(log))  # fmt: skip
    while not calls(log):
        assert first.poll() is None, first.stderr.read()
        time.sleep(0.05)
    second = run(tmp_path, "--jobs", 1)
    assert second.returncode == 2
    assert f"another run (process {first.pid}) writes to" in second.stderr_text
    assert second.stderr_text.count("\n") == 1
    first.communicate(timeout=120)
    assert first.returncode == 0
