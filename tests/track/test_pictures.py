"""The raster and the video show what they say."""

import dataclasses
import shutil

import h5py
import numpy as np
import pytest
from PIL import Image

from trackbench.datasets.recordings import open_recording
from trackbench.errors import UsageError
from trackbench.track.plan import Source
from trackbench.track.raster import VERDICT_COLORS, draw_raster
from trackbench.track.truth import VERDICTS, Verdicts, held_against_truth
from trackbench.track.video import check_video, draw_video


def pixels(path):
    return np.asarray(Image.open(path).convert("RGB")).reshape(-1, 3)


def share_of(path, color):
    wanted = [int(color[i : i + 2], 16) for i in (1, 3, 5)]
    return (np.abs(pixels(path).astype(int) - wanted).max(axis=1) <= 2).mean()


@pytest.mark.parametrize("verdict", range(4))
def test_the_raster_has_the_color_of_the_verdict(tracked, tmp_path, verdict):
    half = np.full(tracked.flags.shape, VERDICTS.index("right"), np.uint8)
    half[: len(half) // 2] = verdict
    draw_raster(tmp_path / "r.png", tracked, Verdicts(half))
    shares = [share_of(tmp_path / "r.png", color) for color in VERDICT_COLORS]
    assert shares[verdict] > 0.2
    assert sum(share > 0.05 for share in shares) == len({verdict, VERDICTS.index("right")})


def test_a_raster_without_truth_shows_confidence(tracked, tmp_path):
    draw_raster(tmp_path / "r.png", tracked, None)
    nothing = Verdicts(np.zeros(tracked.flags.shape, np.uint8))
    draw_raster(tmp_path / "same.png", tracked, nothing)
    assert (tmp_path / "r.png").read_bytes() == (tmp_path / "same.png").read_bytes()
    assert share_of(tmp_path / "r.png", VERDICT_COLORS[1]) < 0.05


def test_rasters_of_one_neuron_and_one_volume(tracked, tmp_path):
    one = dataclasses.replace(
        tracked,
        names=tracked.names[:1],
        confidence=tracked.confidence[:1, :1],
        flags=tracked.flags[:1, :1],
        status=tracked.status[:1],
    )
    draw_raster(tmp_path / "r.png", one, None)
    assert (tmp_path / "r.png").stat().st_size > 1000


def test_a_video_of_points(recording, tracked, tmp_path):
    counted = []
    source = Source(recording).open()
    draw_video(tmp_path / "v.gif", source, tracked, [0, 5, 9], counted.append)
    with Image.open(tmp_path / "v.gif") as film:
        assert film.n_frames == 3 == sum(counted)
        film.seek(1)
        frame = np.asarray(film.convert("RGB"))
    assert (frame.max(axis=2) > 100).mean() > 0.005
    assert (frame.max(axis=2) < 30).mean() > 0.6


def test_a_video_of_images_shows_both_channels_and_skips_what_is_dark(tracked, tmp_path):
    low = np.nanmin(tracked.zyx_um[:4].reshape(-1, 3), axis=0)
    span = np.nanmax(tracked.zyx_um[:4].reshape(-1, 3), axis=0) - low
    shifted = dataclasses.replace(tracked, zyx_um=tracked.zyx_um - low)
    shape = (np.ceil(span) + 1).astype(int)
    with h5py.File(tmp_path / "worm.h5", "w") as file:
        file.attrs["voxel_um"] = (1.0, 1.0, 1.0)
        for t in range(4):
            image = np.zeros((2, *shape[::-1]), np.int16)
            image[t % 2, :, : shape[1] // 2] = 100 * (t != 3)
            file[f"{t}/frame"] = image
    with open_recording(tmp_path / "worm.h5") as images:
        draw_video(tmp_path / "v.gif", images, shifted, range(4))
    with Image.open(tmp_path / "v.gif") as film:
        assert film.n_frames == 4
        colors = []
        for t in range(4):
            film.seek(t)
            frame = np.asarray(film.convert("RGB")).astype(int)
            colors.append(np.median(frame[: frame.shape[0] // 2].reshape(-1, 3), axis=0))
    assert colors[0][0] > 100 > colors[0][1]
    assert colors[1][1] > 100 > colors[1][0]
    assert colors[3].max() < 30


def test_videos_that_cant_be_written_are_refused(tmp_path, monkeypatch):
    with pytest.raises(UsageError, match=r"\.gif or an \.mp4"):
        check_video(tmp_path / "v.avi")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UsageError, match="ffmpeg isn't installed"):
        check_video(tmp_path / "v.mp4")
    check_video(tmp_path / "v.gif")


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="ffmpeg isn't installed")
def test_an_mp4(recording, tracked, tmp_path):
    draw_video(tmp_path / "v.mp4", Source(recording).open(), tracked, [0, 1])
    assert b"ftyp" in (tmp_path / "v.mp4").read_bytes()[:16]


def test_the_verdicts_of_a_recording_without_names(tmp_path, tracked):
    for t in range(len(tracked)):
        (tmp_path / f"v{t}.csv").write_text("z,y,x\n1,2,3\n")
    assert held_against_truth(open_recording(tmp_path), tracked).known == 0
