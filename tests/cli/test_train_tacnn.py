"""``trackbench train tacnn`` and what follows it: track, approve, train again."""

import json
import shutil
import signal
import time

import h5py
import numpy as np
import pytest
from tests.cli.running import start, trackbench

QUICK = ("--reduce", 1, "--radius", 2.5, "--targets", 2)


@pytest.fixture(scope="module")
def worm(tmp_path_factory):
    path = tmp_path_factory.mktemp("worm") / "worm.h5"
    made = trackbench(
        "simulate", "--images", "small", "--recording", 5, "--neurons", 10, "--seed", 5, "-o", path
    )
    assert made.returncode == 0, made.stderr_text
    return path


def train(worm, out, *words):
    return trackbench("train", "tacnn", worm, *QUICK, "--out", out, *words)


@pytest.mark.slow
def test_the_workflow_from_labels_to_approved_frames(worm, tmp_path):
    """Learn frame 0, track the recording, approve frame 3, learn both."""
    out, tracks = tmp_path / "run", tmp_path / "tracks.h5"
    steps = ("--base-steps", 60, "--extra-steps", 4)
    answer = train(worm, out, "--frames", 0, *steps)
    assert answer.returncode == 0, answer.stderr_text
    assert "postures.png: labelled, target and parent frames" in answer.stdout_text
    weights = out / "weights.safetensors"
    found = trackbench("track", worm, "--segmenter", f"tacnn[weights={weights}]", "-o", tracks)
    assert found.returncode == 0, found.stderr_text
    with h5py.File(tracks) as file:
        places = file["tracks"][()]
    assert places.shape == (5, 10, 3)
    assert np.isfinite(places).all(axis=2).mean() > 0.7
    again = train(
        worm, tmp_path / "again", "--frames", 0, "--tracks", tracks, "--approve", 3,
        "--base-steps", 2, "--extra-steps", 2,
    )  # fmt: skip
    assert again.returncode == 0, again.stderr_text
    about = header(tmp_path / "again" / "weights.safetensors")
    assert about["about"]["labelled"] == [0, 3]
    assert len(about["trained_on"]) == 2


def header(path):
    raw = path.read_bytes()
    size = int.from_bytes(raw[:8], "little")
    return json.loads(json.loads(raw[8 : 8 + size])["__metadata__"]["trackbench"])


@pytest.mark.slow
def test_a_run_that_was_killed_reaches_the_weights_of_one_that_was_not(worm, tmp_path):
    steps = ("--frames", 0, "--base-steps", 200, "--extra-steps", 4)
    killed = start("train", "tacnn", worm, *QUICK, "--out", tmp_path / "run", *steps)
    checkpoint = tmp_path / "run" / "checkpoint.pt"
    deadline = time.monotonic() + 200
    while not checkpoint.exists() and killed.poll() is None and time.monotonic() < deadline:
        time.sleep(0.2)
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    assert checkpoint.exists(), "no checkpoint within the time"
    weights = []
    for folder in ("run", "whole"):
        answer = train(worm, tmp_path / folder, *steps)
        assert answer.returncode == 0, answer.stderr_text
        weights.append((tmp_path / folder / "weights.safetensors").read_bytes())
    assert weights[0] == weights[1]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--frames", 77), "there is no frame 77"),
        (("--frames", "zero"), "isn't a list of frame numbers"),
        (("--frames", 0, "--approve", 1), "belong together"),
        (("--frames", 0, "--tracks", "none.h5", "--approve", 1), "none.h5"),
    ],
)
def test_wrong_words_are_named(worm, tmp_path, words, says):
    answer = train(worm, tmp_path, *words)
    assert answer.returncode == 2
    assert says in " ".join(answer.stderr_text.split())
    assert "Traceback" not in answer.stderr_text


def test_a_recording_without_labels_says_so(worm, tmp_path):
    bare = tmp_path / "bare.h5"
    shutil.copy(worm, bare)
    with h5py.File(bare, "a") as file:
        del file["pointdat"], file["1/mask"]
        file.pop("truth", None)
    answer = train(bare, tmp_path / "run", "--frames", 1)
    assert answer.returncode == 2
    assert "frame 1 has no points" in answer.stderr_text
    answer = train(bare, tmp_path / "run", "--frames", 1, "--masks")
    assert answer.returncode == 2
    assert "frame 1 has no mask" in answer.stderr_text
