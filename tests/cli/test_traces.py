"""From images to traces on the command line: segmented, tracked, measured, held against truth."""

import os
import re

import h5py
import pytest
from click.testing import CliRunner

from trackbench.cli import app
from trackbench.errors import TrackbenchError


def run(*words):
    done = CliRunner().invoke(app, [str(word) for word in words])
    assert done.exception is None, done.exception
    return done.output


@pytest.fixture(scope="module")
def worm(tmp_path_factory):
    """A simulated image recording of 22 large nuclei in 60 volumes, and its tracks."""
    folder = tmp_path_factory.mktemp("traces")
    before = os.getcwd()  # noqa: PTH109
    os.chdir(folder)
    run("simulate", "--images", "small", "--recording", 60, "--seed", 3, "-o", "worm.h5")
    words = ("--template", 0, "--matcher", "cpd", "--workers", 1, "--raster", "raster.png")
    printed = run("track", "worm.h5", *words)
    yield folder, printed
    os.chdir(before)


def test_blobs_and_cpd_follow_simulated_images(worm):
    _, printed = worm
    assert float(re.search(r"([\d.]+)% right of", printed)[1]) > 85


def test_traces_follow_the_true_calcium(worm):
    printed = run("traces", "worm.h5", "tracks.h5", "--radius-um", 3)
    lines = re.findall(r"([\d.]+) (at the tracks|where|at the true)", printed)
    found = {place: float(value) for value, place in lines}
    assert found["where"] > 0.85, printed
    assert found["at the true"] > 0.85, printed
    assert found["at the tracks"] <= found["at the true"] + 0.05
    assert "wrote traces.h5, traces.csv, traces.png" in printed
    with h5py.File(worm[0] / "traces.h5") as file:
        assert file["dff"].shape == (60, 22)
        assert file["fluorescence"].shape == (2, 60, 22)


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("worm.h5", "worm.h5"), "give a file that trackbench track wrote"),
        (("worm.h5", "tracks.h5", "-o", "absent/t.h5"), "make the folder"),
        (("worm.h5", "tracks.h5", "-o", "t.csv"), "ends in .h5"),
        (("worm.h5", "absent.h5"), "can't be read"),
    ],
)
def test_wrong_usage_is_one_line(worm, words, complaint):
    done = CliRunner().invoke(app, ["traces", *words])
    assert isinstance(done.exception, TrackbenchError)
    assert complaint in str(done.exception)
