"""Light is measured where it is, and what isn't calcium is taken out of it."""

import dataclasses

import h5py
import numpy as np
import pytest

from trackbench.core.types import Volume
from trackbench.datasets.recordings import open_recording
from trackbench.errors import UsageError
from trackbench.traces import Fluorescence, SampleConfig, activity, extract, write_traces
from trackbench.traces.activity import bleaching
from trackbench.traces.picture import alike_together, draw_heat_map
from trackbench.traces.quality import correlations, true_activity
from trackbench.traces.sample import sample
from trackbench.track import Detections, Tracks

PITCH = np.array([2.0, 0.5, 0.5])
SHAPE = (12, 60, 80)
PLACES = np.array([[8.0, 8.0, 10.0], [8.0, 20.0, 30.0], [14.0, 15.0, 12.0]])


def render(brightness, places=PLACES, background=10.0):
    """Give spheres of 2 µm of a constant brightness over a constant background, (z, y, x)."""
    index = np.stack(np.meshgrid(*map(np.arange, SHAPE), indexing="ij"), -1) * PITCH
    image = np.full(SHAPE, float(background))
    for place, value in zip(places, brightness, strict=True):
        image[np.linalg.norm(index - place, axis=-1) <= 2.0] += value
    return image


def volume_of(*channels):
    names = ("red", "green")[: len(channels)]
    return Volume(np.stack(channels), PITCH, names)


def tracks_of(zyx_um):
    n_volumes, n, _ = zyx_um.shape
    none = np.zeros((0, 8))
    return Tracks(
        names=tuple(f"N{j}" for j in range(n)),
        numbers=np.arange(n_volumes),
        times_s=np.arange(n_volumes) / 5,
        zyx_um=zyx_um.astype(np.float32),
        confidence=np.ones((n_volumes, n), np.float32),
        flags=np.isfinite(zyx_um[..., 0]).astype(np.uint8),
        row=np.full((n_volumes, n), -1, np.int32),
        matched=np.full((n_volumes, n), -1, np.int32),
        status=np.zeros(n_volumes, np.uint8),
        detections=Detections(
            np.zeros(n_volumes + 1, int), none[:, :3], none.astype(int), none, none[:, 0]
        ),
        attributes={"recording": "made", "key": "k"},
    )


def test_light_and_background_are_told_apart():
    volume = volume_of(render([50, 100, 20]), render([5, 7, 9], background=3))
    signal, background = sample(volume, PLACES, np.zeros((0, 3)), SampleConfig())
    np.testing.assert_allclose(background, [[10] * 3, [3] * 3])
    np.testing.assert_allclose(signal - background, [[50, 100, 20], [5, 7, 9]])


def test_a_touching_neuron_doesnt_lend_its_light():
    places = np.array([[10.0, 15.0, 20.0], [10.0, 15.0, 22.5]])
    image = render([100], places[:1])
    image[render([300], places[1:]) > 10] = 310
    image[render([100], places[:1]) > 10] = 110
    rivals = sample(volume_of(image), places, np.zeros((0, 3)), SampleConfig(radius_um=2.0))[0]
    alone = sample(volume_of(image), places[:1], np.zeros((0, 3)), SampleConfig(radius_um=2.0))[0]
    known = sample(volume_of(image), places[:1], places[1:], SampleConfig(radius_um=2.0))[0]
    assert rivals[0, 0] == known[0, 0] == pytest.approx(110)
    assert alone[0, 0] == pytest.approx(110)
    crowded = np.array([[10.0, 15.0, 22.5], [10.0, 15.0, 21.0]])
    shared = sample(volume_of(image), crowded, np.zeros((0, 3)), SampleConfig(radius_um=2.0))[0]
    assert shared[0, 0] > shared[0, 1]


def test_who_is_nowhere_or_outside_has_no_light():
    places = np.array([[np.nan] * 3, [-3.0, 5, 5], [8.0, 8.0, 10.0], [8.0, 29.9, 5]])
    signal, background = sample(volume_of(render([50, 0, 0])), places, PLACES[1:], SampleConfig())
    assert np.isnan(signal[0, [0, 1, 3]]).all()
    assert np.isnan(background[0, [0, 1, 3]]).all()
    assert signal[0, 2] == 60
    nobody = sample(volume_of(render([1, 1, 1])), places[:2], PLACES, SampleConfig())
    assert np.isnan(nobody).all()


def test_a_neuron_smaller_than_a_voxel_has_its_own_voxel():
    config = SampleConfig(radius_um=0.05)
    signal, _ = sample(volume_of(render([50, 60, 70])), PLACES + 0.1, PLACES[:0], config)
    np.testing.assert_allclose(signal[0], [60, 70, 80])


def test_bleaching_is_fitted_despite_activity_and_gaps():
    rng = np.random.default_rng(0)
    t = np.arange(300)
    active = 1 + 2 * (rng.random((300, 40)) < 0.2)
    signal = 30 * np.exp(-t / 400)[:, None] * active * rng.uniform(0.5, 2, 40)
    signal[rng.random(signal.shape) < 0.1] = np.nan
    signal[100] = np.nan
    signal[:, 5] = np.nan
    np.testing.assert_allclose(bleaching(signal), np.exp(-t / 400), atol=0.03)
    np.testing.assert_array_equal(bleaching(signal[::-1]), 1.0)
    np.testing.assert_array_equal(bleaching(np.full((9, 2), np.nan)), 1.0)


def test_motion_that_both_channels_see_is_taken_out():
    rng = np.random.default_rng(1)
    t = np.arange(400)
    calcium = np.clip(np.sin(t[:, None] / np.arange(8, 28)), 0, None)
    motion = rng.uniform(0.4, 1.0, calcium.shape)
    red = 90 * motion * np.exp(-t / 500)[:, None]
    green = 40 * motion * (1 + calcium) * np.exp(-t / 800)[:, None]
    red[50, 3] = 0.5
    light = Fluorescence(("red", "green"), np.stack([red, green]), np.zeros((2, 400, 20)))
    active = activity(light)
    assert np.nanmedian(correlations(active.dff, calcium)) > 0.99
    assert np.median(correlations(green, calcium)) < 0.9
    assert np.isnan(active.ratio[50, 3])
    assert active.bleaching.shape == (2, 400)
    assert np.abs(np.nanpercentile(active.dff, 20, axis=0)).max() < 1e-9


def test_one_channel_is_its_own_activity():
    signal = np.random.default_rng(0).uniform(50, 60, (1, 40, 3))
    active = activity(Fluorescence(("green",), signal, np.zeros_like(signal)))
    np.testing.assert_allclose(active.ratio, signal[0] / active.bleaching[0][:, None])
    assert np.isfinite(active.dff).all()


@pytest.fixture
def recorded(tmp_path):
    """Forty volumes of three neurons with known calcium; volume 7 is dark."""
    rng = np.random.default_rng(2)
    calcium = np.abs(np.cumsum(rng.normal(0, 0.3, (40, 3)), axis=0))
    with h5py.File(tmp_path / "worm.h5", "w") as file:
        file.attrs["voxel_um"] = PITCH
        file.attrs["names"] = ["N0", "N1", "N2"]
        for t in range(40):
            red = render([90, 120, 60]) + rng.normal(0, 1, SHAPE)
            green = render(40 * (1 + calcium[t]), background=4) + rng.normal(0, 1, SHAPE)
            frame = np.stack([red, green]) * (t != 7)
            file[f"{t}/frame"] = frame.transpose(0, 3, 2, 1)
        voxels = (PLACES / PITCH)[:, ::-1]
        file["pointdat"] = np.concatenate(
            [np.full((40, 1, 3), np.nan), np.repeat(voxels[None], 40, axis=0)], axis=1
        )
        file["truth/calcium"] = calcium
    return tmp_path / "worm.h5"


def test_traces_of_a_recording(recorded):
    tracks = tracks_of(np.repeat(PLACES[None], 40, axis=0))
    wrong = tracks.zyx_um[:, [1, 0, 2]].astype(float)
    with open_recording(recorded) as recording:
        counted = []
        (found, swapped), notes = extract(
            recording, tracks, [tracks.zyx_um.astype(float), wrong], None, counted.append
        )
        calcium = true_activity(tracks.names, recording.calcium())
    assert sum(counted) == 40
    assert notes == []
    assert np.isnan(found.signal[:, 7]).all()
    good = correlations(activity(found).dff, calcium)
    bad = correlations(activity(swapped).dff, calcium)
    assert good.min() > 0.98
    assert bad[:2].max() < 0.95
    assert bad[2] == good[2]


def test_a_volume_that_cant_be_read_is_noted(recorded):
    with h5py.File(recorded, "r+") as file:
        file["3/frame"][0, 0, 0, 0] = np.nan
    tracks = tracks_of(np.repeat(PLACES[None], 40, axis=0))
    with open_recording(recorded) as recording:
        (found,), notes = extract(recording, tracks, [tracks.zyx_um.astype(float)])
    assert [number for number, _ in notes] == [3]
    assert np.isnan(found.signal[:, 3]).all()
    assert np.isfinite(found.signal[:, 4]).all()


def test_tracks_of_another_recording_are_refused(recorded, tmp_path):
    tracks = tracks_of(np.repeat(PLACES[None], 30, axis=0))
    with open_recording(recorded) as recording, pytest.raises(UsageError, match="30 volumes"):
        extract(recording, tracks, [tracks.zyx_um])
    (tmp_path / "points").mkdir()
    (tmp_path / "points" / "1.csv").write_text("z,y,x\n1,2,3\n")
    with pytest.raises(UsageError, match="no images"):
        extract(open_recording(tmp_path / "points"), tracks, [tracks.zyx_um])


def test_correlations_need_enough_volumes_and_a_change():
    rng = np.random.default_rng(0)
    a = rng.normal(size=(50, 4))
    b = a.copy()
    a[10:, 1] = np.nan
    b[:, 2] = 1.0
    where = np.ones(a.shape, bool)
    where[25:, 3] = False
    b[25:, 3] = rng.normal(size=25)
    found = correlations(a, b, where)
    assert found[[0, 3]] == pytest.approx([1, 1])
    assert np.isnan(found[[1, 2]]).all()
    assert correlations(a, b)[3] < 0.95


def test_files_and_picture(tmp_path):
    rng = np.random.default_rng(0)
    tracks = tracks_of(np.repeat(PLACES[None], 40, axis=0))
    signal = rng.uniform(50, 60, (2, 40, 3))
    signal[:, 5, 1] = np.nan
    light = Fluorescence(("red", "green"), signal, np.full(signal.shape, 4.0))
    active = activity(light)
    written = write_traces(tmp_path / "traces.h5", tracks, light, active)
    assert [path.name for path in written] == ["traces.h5", "traces.csv"]
    with h5py.File(tmp_path / "traces.h5") as file:
        np.testing.assert_allclose(file["dff"][()], active.dff, rtol=1e-5, equal_nan=True)
        assert file["fluorescence"].shape == (2, 40, 3)
        assert file["names"][0] == b"N0"
    import pandas as pd

    table = pd.read_csv(tmp_path / "traces.csv")
    assert list(table) == ["frame", "time_s", "track", "name", "red", "green", "ratio", "dff"]
    assert len(table) == 119
    draw_heat_map(tmp_path / "traces.png", tracks, active)
    untimed = dataclasses.replace(tracks, times_s=np.full(40, np.nan))
    draw_heat_map(tmp_path / "untimed.png", untimed, active)
    assert (tmp_path / "traces.png").read_bytes().startswith(b"\x89PNG")


def test_neurons_that_act_alike_stand_together():
    rng = np.random.default_rng(0)
    waves = rng.normal(size=(100, 3))
    group = np.array([0, 1, 2] * 5)
    dff = waves[:, group] + 0.2 * rng.normal(size=(100, 15))
    dff = np.concatenate([dff, np.full((100, 1), np.nan)], axis=1)
    order = alike_together(dff)
    assert sorted(order) == list(range(15))
    changes = np.count_nonzero(np.diff(group[order]))
    assert changes == 2
