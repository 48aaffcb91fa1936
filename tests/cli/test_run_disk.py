"""A disk that is full or read-only: one line, nothing corrupted, and the run goes on later."""

import os
import subprocess
from contextlib import contextmanager

import pytest
from tests.cli.running import start, summary, trackbench

from trackbench.benchmarks.store import Store

PLAN = ("run", "--dataset", "trial[n_cases=512]", "--matchers", "counted,nearest", "--no-timing")


def run(store, *more):
    return trackbench(*PLAN, "--out", store, "--jobs", 0, *more)


@contextmanager
def small_disk(folder, options):
    """Mount a file system in memory, where that is allowed."""
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
    try:
        mounted = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("there is no mount command")
    if mounted.returncode:
        pytest.skip(f"can't mount a small disk: {mounted.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def remount(folder, options):
    subprocess.run(["mount", "-o", f"remount,{options}", str(folder)], check=True)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Give the table of a run that had all the space it wanted."""
    folder = tmp_path_factory.mktemp("whole")
    assert run(folder / "store", "--summary", folder / "summary.json").returncode == 0
    return summary(folder / "summary.json")


def _is_one_line(done, *words):
    assert done.returncode == 2, done.stderr_text
    lines = done.stderr_text.strip().split("\n")
    assert len(lines) == 1, done.stderr_text
    assert all(word in lines[0] for word in words), lines[0]


def _every_cell_is_whole(store):
    keys = [path.name.split(".")[0] for path in (store / "cells").rglob("*.gz")]
    assert all(Store(store).cell(key) is not None for key in keys)
    assert not list(store.rglob(".part-*"))
    return len(keys)


@pytest.mark.parametrize("size", ["64k", "512k"])
def test_a_full_disk(whole, tmp_path, size):
    with small_disk(tmp_path / "disk", f"size={size}") as disk:
        _is_one_line(run(disk / "store"), "No space left on device", "free some space")
        _every_cell_is_whole(disk / "store")
        remount(disk, "size=64m")
        again = run(disk / "store", "--summary", tmp_path / "summary.json")
        assert again.returncode == 0, again.stderr_text
        assert _every_cell_is_whole(disk / "store") == 16
    assert summary(tmp_path / "summary.json") == whole


def test_a_disk_that_fills_while_a_store_is_scored(tmp_path):
    with small_disk(tmp_path / "disk", "size=64m") as disk:
        assert run(disk / "store").returncode == 0
        before = (disk / "store" / "rows.parquet").read_bytes()
        report = trackbench("report", disk / "store", "-o", tmp_path / "report.html")
        used = int(subprocess.check_output(["du", "-sk", disk / "store"]).split()[0])
        remount(disk, f"size={used + 8}k")
        _is_one_line(trackbench("score", disk / "store"), "No space left", "free some space")
        assert (disk / "store" / "rows.parquet").read_bytes() == before
        full = trackbench("report", disk / "store", "-o", disk / "report.html")
        _is_one_line(full, "No space left", "report.html")
        assert not (disk / "report.html").exists()
        assert not list(disk.rglob(".part-*"))
    assert report.returncode == 0


def test_a_disk_that_is_read_only(whole, tmp_path):
    with small_disk(tmp_path / "disk", "size=64m") as disk:
        assert run(disk / "store").returncode == 0
        remount(disk, "ro")
        _is_one_line(run(disk / "store"), "Read-only file system", "choose another --out")
        _is_one_line(run(disk / "new"), "Read-only file system", "choose another")
        _is_one_line(trackbench("score", disk / "store"), "Read-only file system")
        report = trackbench("report", disk / "store", "-o", tmp_path / "report.html")
        assert report.returncode == 0, report.stderr_text


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is forbidden to root")
def test_a_folder_that_is_not_ours(tmp_path):
    (tmp_path / "theirs").mkdir(mode=0o500)
    _is_one_line(run(tmp_path / "theirs" / "store"), "Permission denied", "choose another")


def test_a_folder_below_a_file(tmp_path):
    (tmp_path / "file").write_text("")
    _is_one_line(run(tmp_path / "file" / "store"), "make the folder", "choose another")


def test_two_first_runs_at_the_same_moment(whole, tmp_path):
    words = (*PLAN, "--out", tmp_path / "store", "--jobs", 0)
    processes = [start(*words, "--summary", tmp_path / f"{i}.json") for i in range(2)]
    for process in processes:
        process.stdout_text, process.stderr_text = process.communicate(timeout=250)
    codes = [process.returncode for process in processes]
    assert 0 in codes
    for process in processes:
        if process.returncode:
            _is_one_line(process, "another run", "wait until it ends")
    first = codes.index(0)
    assert summary(tmp_path / f"{first}.json") == whole
    assert _every_cell_is_whole(tmp_path / "store") == 16
