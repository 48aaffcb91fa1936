"""Wrong usage and wrong data: one line, exit code 2, nothing written."""

import json
import os
import subprocess

import pytest
from tests.cli.running import headline, summary, trackbench

WRONG = {
    "matcher": (["--matchers", "nearst"], "did you mean 'nearest'?"),
    "labeler": (["--labelers", "transfr"], "did you mean 'transfer'?"),
    "segmenter": (["--segmenters", "counted-segmentor"], "did you mean 'counted-segmenter'?"),
    "dataset": (["--dataset", "trail"], "did you mean 'trial'?"),
    "protocol": (["--protocol", "trial-pair"], "did you mean 'trial-pairs'?"),
    "split": (["--split", "tset"], "there are: test, validation"),
    "parameter": (["--matchers", "counted[sleep=1]"], "did you mean 'sleep_s'?"),
    "range": (["--matchers", "counted[sleep_s=-1]"], "sleep_s is float >= 0"),
    "syntax": (["--matchers", "counted[sleep_s]"], "write field=value"),
    "oracle": (["--dataset", "semi-synthetic", "--oracle"], "semi-synthetic"),
    "scheduler": (["--scheduler", "tcp://host:1"], "add --executor dask"),
    "executor": (["--executor", "dask", "--jobs", "0"], "leave it out"),
    "summary": (["--summary", "no/such/folder/table.json"], "make the folder"),
}


@pytest.mark.parametrize("what", WRONG)
def test_wrong_usage_is_one_line_and_writes_nothing(tmp_path, what):
    words, mend = WRONG[what]
    options = {"--dataset": "trial", "--matchers": "nearest", "--out": "store"}
    options |= dict(zip(words[::2], words[1::2], strict=False))
    done = trackbench("run", *_flat(options), *words[2 * (len(words) // 2) :], cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr_text.count("\n") == 1
    assert mend in done.stderr_text
    assert not list(tmp_path.iterdir())


def _flat(options):
    return [word for pair in options.items() for word in pair]


def test_missing_data_is_one_line_and_writes_nothing(tmp_path):
    done = trackbench(
        *("run", "--dataset", "neuropal", "--matchers", "nearest", "--out", "store"),
        *("--data-dir", tmp_path / "not-there"),
        cwd=tmp_path,
    )
    assert done.returncode == 2
    assert done.stderr_text.count("\n") == 1
    assert "not-there" in done.stderr_text
    assert not list(tmp_path.iterdir())


def test_a_folder_that_is_no_store_is_left_alone(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("keep")
    done = trackbench(
        "run", "--dataset", "trial", "--matchers", "nearest", "--out", tmp_path / "mine"
    )
    assert done.returncode == 2
    assert "is no result store" in done.stderr_text
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["notes.txt"]


def test_a_dry_run_prints_the_plan_and_writes_nothing(tmp_path):
    done = trackbench(
        *("run", "--dataset", "trial", "--matchers", "counted[sleep_s=0|0.1],nearest"),
        *("--labelers", "transfer,prior", "--out", tmp_path / "store", "--dry-run"),
    )
    assert done.returncode == 0, done.stderr_text
    assert "truth > counted[sleep_s=0.1] > transfer" in done.stdout_text
    assert "4 cells, 24 rows, 7 stage runs" in done.stdout_text
    assert not (tmp_path / "store").exists()


def test_timing_comes_with_threads_and_calibration(tmp_path):
    done = trackbench(
        *("run", "--dataset", "trial", "--matchers", "counted,raising", "--threads", 1),
        *("--out", tmp_path / "store", "--summary", tmp_path / "summary.json"),
    )
    assert done.returncode == 3
    rows = headline(summary(tmp_path / "summary.json"))
    timing = rows["counted", "transfer"]["timing"]
    assert rows["counted", "transfer"]["seconds_per_volume"] == timing["seconds_per_volume"] > 0
    assert 0 < timing["p50_s"] <= timing["p99_s"]
    assert timing["calibration_s"] > 0
    assert timing["nearest_s"] > 0
    assert {pool["num_threads"] for pool in timing["pools"]} == {1}
    assert rows["raising", "transfer"]["seconds_per_volume"] is None


def test_score_gives_the_same_table_without_running(tmp_path):
    store = tmp_path / "store"
    first = trackbench("run", "--dataset", "trial", "--matchers", "counted", "--no-timing",
                       "--out", store, "--summary", tmp_path / "a.json")  # fmt: skip
    assert first.returncode == 0, first.stderr_text
    (store / "summary.json").unlink()
    (store / "rows.parquet").unlink()
    again = trackbench(
        "score", store, "--summary", tmp_path / "b.json", TRIAL_LOG=str(tmp_path / "calls")
    )
    assert again.returncode == 0, again.stderr_text
    assert summary(tmp_path / "a.json") == summary(tmp_path / "b.json")
    assert json.loads((store / "summary.json").read_text())
    assert (store / "rows.parquet").exists()
    assert not (tmp_path / "calls").exists()


def test_score_of_no_store(tmp_path):
    done = trackbench("score", tmp_path)
    assert done.returncode == 2
    assert "is no result store" in done.stderr_text
    assert not list(tmp_path.iterdir())


def test_a_full_disk_is_one_line_and_corrupts_nothing(tmp_path):
    """A file-size limit makes every larger write fail as a full disk does."""
    script = (
        "import resource, signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (600, 600));"
        "from trackbench.cli import main; main()"
    )
    import sys

    words = ("run", "--dataset", "trial[n_cases=200]", "--matchers", "nearest", "--no-timing")
    store = tmp_path / "store"
    done = subprocess.run(
        [sys.executable, "-c", script, *words, "--jobs", "0", "--out", store],
        capture_output=True, text=True, check=False, env=os.environ,
    )  # fmt: skip
    assert done.returncode == 2, done.stderr
    assert "can't write" in done.stderr
    assert "Traceback" not in done.stderr
    assert not list(store.rglob(".part-*"))
    again = trackbench(*words, "--out", store)
    assert again.returncode == 0, again.stderr_text


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_an_unwritable_folder(tmp_path):
    tmp_path.chmod(0o500)
    done = trackbench("run", "--dataset", "trial", "--matchers", "nearest", "--out", tmp_path / "a")
    assert done.returncode == 2
    assert "can't make the folder" in done.stderr_text
