"""`trackbench track` as its user calls it: killed, resumed, drawn, refused."""

import time

import h5py
import numpy as np
import pytest
from click.testing import CliRunner
from tests.cli.running import start, trackbench

from trackbench.cli import app
from trackbench.errors import TrackbenchError
from trackbench.track import read_tracks

VOLUMES, NEURONS = 200, 12


@pytest.fixture(scope="module")
def recording(tmp_path_factory):
    """Volumes of neurons that drift, as CSVs with names; volume 90 is empty."""
    folder = tmp_path_factory.mktemp("cli") / "drift"
    folder.mkdir()
    rng = np.random.default_rng(0)
    worm = rng.uniform(0, 40, (NEURONS, 3))
    for t in range(VOLUMES):
        points = worm + 0.05 * t + rng.normal(0, 0.2, worm.shape)
        rows = [",".join(f"{x:.3f}" for x in point) + f",N{i}" for i, point in enumerate(points)]
        rows = [] if t == 90 else rows
        (folder / f"v{t}.csv").write_text("\n".join(["z,y,x,name", *rows]) + "\n")
    return folder


def outcome(path):
    with h5py.File(path) as file:
        held = {name: file[name][()] for name in ("tracks", "flags", "confidence", "status", "row")}
        return held | {"key": file.attrs["key"]}


def test_tracks_table_and_pictures(recording, tmp_path):
    done = trackbench(
        *("track", recording, "--template", 0, "--matcher", "cpd", "--rate", 5, "--smooth"),
        *("--raster", "raster.png", "--video", "video.gif", "--video-volumes", 3),
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr_text
    assert f"{VOLUMES} volumes, {NEURONS} neurons: 199 volumes tracked" in done.stdout_text
    assert "1 empty: frame 90" in done.stdout_text
    assert "peak memory" in done.stdout_text
    assert f"100.0% right of {199 * NEURONS} neurons" in done.stdout_text
    assert "wrote tracks.h5, tracks.csv, raster.png, video.gif" in done.stdout_text
    assert not (tmp_path / "tracks.h5.parts").exists()
    held = outcome(tmp_path / "tracks.h5")
    assert held["tracks"].shape == (VOLUMES, NEURONS, 3)
    assert (held["flags"][np.arange(VOLUMES) != 90] == 1).all()
    assert not held["flags"][90].any()
    header, first = (tmp_path / "tracks.csv").read_text().splitlines()[:2]
    assert header.replace('"', "") == "frame,time_s,track,name,z_um,y_um,x_um,confidence,how"
    assert first.startswith('0,0,0,"N0"')
    again = trackbench(
        "track", recording, "--template", 0, "--matcher", "cpd", "--rate", 5, cwd=tmp_path
    )
    assert again.returncode == 0
    assert "peak memory" not in again.stdout_text


@pytest.mark.parametrize("workers", [1, 2])
def test_a_killed_run_goes_on_and_ends_the_same(recording, tmp_path, workers):
    words = ("track", recording, "--template", 0, "--matcher", "counted[sleep_s=0.02]")
    whole = trackbench(*words, "-o", "whole.h5", "--no-csv", cwd=tmp_path)
    assert whole.returncode == 0, whole.stderr_text
    words = (*words, "-o", "killed.h5", "--workers", workers)
    process = start(*words, cwd=tmp_path)
    parts = tmp_path / "killed.h5.parts"
    for _ in range(2000):
        if list(parts.glob("*.npz")):
            break
        time.sleep(0.02)
    process.kill()
    process.wait()
    done = {path.name: path.stat().st_mtime_ns for path in parts.glob("*.npz")}
    assert 0 < len(done) < 4
    assert not (tmp_path / "killed.h5").exists()
    refused = trackbench("track", recording, "--template", 1, "-o", "killed.h5", cwd=tmp_path)
    assert refused.returncode == 2
    assert "unfinished run with other settings" in refused.stderr_text
    assert {path.name: path.stat().st_mtime_ns for path in parts.glob("*.npz")} == done
    resumed = trackbench(*words, cwd=tmp_path)
    assert resumed.returncode == 0, resumed.stderr_text
    a, b = outcome(tmp_path / "whole.h5"), outcome(tmp_path / "killed.h5")
    for name, value in a.items():
        np.testing.assert_array_equal(value, b[name], err_msg=name)


def test_volumes_that_cant_be_used_are_said_and_the_others_written(recording, tmp_path):
    import shutil

    folder = tmp_path / "drift"
    shutil.copytree(recording, folder)
    (folder / "v7.csv").write_text("z,y,x,name\n1,2,three,N0\n")
    done = trackbench("track", folder, "--template", 0, "--matcher", "nearest", cwd=tmp_path)
    assert done.returncode == 3
    assert "v7.csv: line 2, column x: 'three'" in done.stderr_text
    assert "1 unreadable: frame 7" in done.stdout_text
    assert outcome(tmp_path / "tracks.h5")["status"].tolist().count(0) == VOLUMES - 2


def test_a_template_from_elsewhere_and_names_by_a_labeler(recording, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    template = (recording / "v3.csv").read_text().replace("N5", "")
    (tmp_path / "named.csv").write_text(template)
    words = ["track", str(recording), "--template", "named.csv", "--matcher", "nearest"]
    words += ["--workers", "1", "--no-csv"]
    done = CliRunner().invoke(app, words)
    assert done.exception is None, done.exception
    tracks = read_tracks(tmp_path / "tracks.h5")
    assert tracks.names == tuple("" if i == 5 else f"N{i}" for i in range(NEURONS))
    assert tracks.label(5) == "track 5"
    assert tracks.attributes["template"] == "named"
    done = CliRunner().invoke(app, [*words, "--labeler", "identity"])
    assert done.exception is None, done.exception
    named = read_tracks(tmp_path / "tracks.h5")
    assert named.attributes["labeler"] == "identity"
    assert not set(named.names) & set(tracks.names) - {""}
    np.testing.assert_array_equal(named.zyx_um, tracks.zyx_um)


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        ((), "give a template"),
        (("--template", 900), "no frame 900"),
        (("--template", "none.csv"), "neither a frame number nor a file"),
        (("--template", 0, "-o", "absent/t.h5"), "make the folder"),
        (("--template", 0, "-o", "t.csv"), "ends in .h5"),
        (("--template", 0, "--video", "v.avi"), "a .gif or an .mp4"),
        (("--template", 0, "--matcher", "cdp"), "did you mean 'cpd'"),
        (("--template", 0, "--matcher", "cpd,nearest"), "name one matcher"),
        (("--template", 0, "--segmenter", "counted-segmenter"), "no images"),
        (("--template", 0, "--voxel-um", "1,2"), "three numbers above 0"),
        (("--template", 0, "--axes", "xy"), "can't be those of a volume"),
    ],
)
def test_wrong_usage_is_one_line_and_writes_nothing(
    recording, tmp_path, monkeypatch, words, complaint
):
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, ["track", str(recording), *map(str, words)])
    assert complaint in f"{done.output}{done.exception}"
    assert isinstance(done.exception, TrackbenchError | SystemExit)
    assert list(tmp_path.iterdir()) == []
