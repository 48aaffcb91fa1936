"""Simulated image recordings: optics, truth, calcium, files."""

import tracemalloc

import h5py
import numpy as np
import pytest
from click.testing import CliRunner
from scipy.ndimage import center_of_mass
from scipy.spatial.distance import pdist

from trackbench.cli.simulate import command
from trackbench.datasets.semisynthetic.calcium_activity import simulate_calcium
from trackbench.datasets.semisynthetic.image_config import PRESETS, CalciumConfig, ImageConfig
from trackbench.datasets.semisynthetic.image_export import write_recording
from trackbench.datasets.semisynthetic.images import simulate_images
from trackbench.datasets.semisynthetic.nuclei import ball_sources, pushed_apart
from trackbench.datasets.semisynthetic.optics import Microscope
from trackbench.datasets.semisynthetic.recording import RecordingConfig, moved
from trackbench.datasets.semisynthetic.shape import load_shapes
from trackbench.errors import InputError

SHAPES = load_shapes()


def changed(preset="small", **changes):
    return ImageConfig(**(PRESETS[preset].model_dump() | changes))


def clear(**changes):
    """A microscope without noise, haze, dimming or aberration."""
    perfect = {"offset": 0, "read_noise": 0, "haze": 0, "aberration": 0, "attenuation_um": 1e9}
    return changed(**({"counts_per_photon": 1e-9} | perfect | changes))


@pytest.fixture(scope="module")
def small():
    return simulate_images(SHAPES, changed(volumes=40), seed=3)


def test_a_volume_depends_on_the_seed_and_its_number_alone(small):
    again = simulate_images(SHAPES, changed(volumes=40), seed=3)
    assert np.array_equal(small.volume(7).data, again.volume(7).data)
    assert not np.array_equal(small.volume(7).data, small.volume(8).data)
    other = simulate_images(SHAPES, changed(volumes=40), seed=4)
    assert not np.array_equal(small.zyx_um, other.zyx_um)


def test_volumes_are_eight_bit_counts_of_two_channels(small):
    volume = small.volume(5)
    assert volume.data.shape == (2, 16, 64, 64)
    assert volume.data.dtype == np.int16
    assert volume.data.min() >= 0
    assert volume.data.max() <= 255
    assert volume.channels == ("red", "green")
    assert volume.time_s == pytest.approx(5 / 6)


def test_the_worm_stays_in_view(small):
    assert np.mean([small.visible(t).mean() for t in range(len(small))]) > 0.98


def test_the_brightest_place_of_a_lone_nucleus_is_its_true_centre():
    config = clear(neurons=8)
    microscope = Microscope(config, np.array([3.0]))
    centre = np.array([[20.3, 61.7, 70.9]])
    image = microscope.image(centre, np.array([[200.0]]), [0])[0]
    found = np.array(center_of_mass(image)) * config.voxel_um
    assert np.allclose(found, centre[0], atol=0.1)


def test_the_image_is_wider_along_the_optical_axis():
    config = clear(voxel_um=(1.0, 1.0, 1.0), psf_um=(3.0, 0.8, 0.8), shape=(48, 48, 48))
    microscope = Microscope(config, np.array([2.0]))
    image = microscope.image(np.full((1, 3), 24.0), np.array([[900.0]]), [0])[0].astype(float)
    place = np.arange(48) - 24
    widths = [np.sqrt((place**2 * image.sum(axis=a)).sum() / image.sum()) for a in ((1, 2), (0, 1))]
    # a ball of radius R has variance R^2 / 5 along each axis
    assert widths[0] == pytest.approx(np.sqrt(3.0**2 + 0.8), rel=0.05)
    assert widths[1] == pytest.approx(np.sqrt(0.8**2 + 0.8 + 1 / 12), rel=0.05)


def test_deep_nuclei_are_dimmer():
    config = clear(attenuation_um=20.0)
    microscope = Microscope(config, np.array([3.0, 3.0]))
    centres = np.array([[9.0, 60.0, 30.0], [29.0, 60.0, 90.0]])
    image = microscope.image(centres, np.array([[200.0, 200.0]]), [0])[0].astype(float)
    ratio = image[:, :, 32:].sum() / image[:, :, :32].sum()
    assert ratio == pytest.approx(np.exp(-1), rel=0.1)


def test_noise_has_the_variance_of_shot_and_read_noise():
    config = changed(haze=0, counts_per_photon=0.5, read_noise=2.0, offset=50.0, psf_um=(9, 9, 9))
    image = Microscope(config, np.array([1.0])).image(np.array([[1e4] * 3]), np.array([[1.0]]), [1])
    assert image.mean() == pytest.approx(50, abs=0.1)
    assert image.std() == pytest.approx(np.sqrt(4 + 1 / 12), rel=0.02)


def test_labels_hold_each_nucleus_around_its_centre(small):
    labels = small.labels(4)
    voxel = np.round(small.zyx_um[4] / small.voxel_um).astype(int)
    inside = small.visible(4)
    own = labels[tuple(voxel[inside].T)] == np.flatnonzero(inside) + 1
    assert own.mean() > 0.95
    size = np.bincount(labels.ravel(), minlength=len(small.names) + 1)[1:]
    assert (size[inside] > 0).all()


def test_a_nucleus_outside_has_no_voxel():
    microscope = Microscope(changed(), np.array([3.0]))
    assert not microscope.labels(np.array([[-30.0, 10.0, 10.0]])).any()


def test_points_carry_the_names_of_those_in_view():
    narrow = simulate_images(SHAPES, changed(volumes=2, shape=(16, 64, 24)), seed=1)
    cloud = narrow.points(0)
    assert 0 < len(cloud) < len(narrow.names)
    assert set(cloud.names or ()) < set(narrow.names)
    assert (cloud.zyx_um >= -narrow.voxel_um / 2).all()


def test_nuclei_touch_and_do_not_interpenetrate():
    rng = np.random.default_rng(0)
    crowd = rng.normal(0, 4, (60, 3))
    apart = pushed_apart(crowd, np.full(60, 1.5), 0.9)
    assert pdist(crowd).min() < 2
    assert pdist(apart).min() > 0.95 * 0.9 * 3


def test_sources_have_the_spread_of_a_ball():
    sources, width = ball_sources()
    assert np.allclose(sources.mean(axis=0), 0)
    assert np.allclose(sources.var(axis=0) + width**2, 0.2)
    assert np.linalg.norm(sources, axis=1).max() < 1


def test_red_bleaches_and_green_follows_the_calcium():
    recording = simulate_images(SHAPES, changed(volumes=300, bleach_s=(20.0, 1e9)), seed=2)
    first, last = recording.brightness(0), recording.brightness(299)
    assert np.allclose(last[0] / first[0], np.exp(-299 / 6 / 20))
    assert np.allclose(
        last[1] / first[1], (1 + recording.calcium[299]) / (1 + recording.calcium[0])
    )


def test_calcium_rises_faster_than_it_falls_and_is_never_negative():
    config = CalciumConfig(graded=0, rise_s=0.2, decay_s=2.0)
    calcium = simulate_calcium(config, 2000, 30, 6.0, seed=5)
    assert calcium.min() >= 0
    assert calcium.shape == (2000, 30)
    assert (calcium.std(axis=0) > 0.1).all()
    correlation = np.corrcoef(calcium.T)
    assert correlation[np.triu_indices(30, 1)].max() > 0.8  # neurons of one group


def test_the_indicator_answers_with_its_decay_time():
    config = CalciumConfig(graded=0, active_s=0.5, quiet_s=60, shared=0, rise_s=0.1, decay_s=2.0)
    calcium = simulate_calcium(config, 6000, 4, 10.0, seed=1)[:, 0]
    peak = int(calcium.argmax())
    quiet = calcium[peak : peak + 60]
    assert (np.diff(quiet[:30]) < 0).all()
    assert quiet[30] / quiet[10] == pytest.approx(np.exp(-1), rel=0.1)


def test_the_file_has_targettracks_layout(tmp_path, small):
    path = tmp_path / "worm.h5"
    told = []
    write_recording(path, small, told.append)
    assert sum(told) == 40
    with h5py.File(path) as file:
        assert {key: int(file.attrs[key]) for key in ("C", "W", "H", "D", "T", "N_neurons")} == {
            "C": 2, "W": 64, "H": 64, "D": 16, "T": 40, "N_neurons": 22,
        }  # fmt: skip
        assert np.allclose(file.attrs["voxel_um"], (3, 2, 2))
        assert list(file.attrs["names"]) == list(small.names)
        assert np.array_equal(file["7/frame"][()], small.volume(7).data.transpose(0, 3, 2, 1))
        assert np.array_equal(file["7/mask"][()], small.labels(7).transpose(2, 1, 0))
        points = file["pointdat"][()]
        assert points.shape == (40, 23, 3)
        assert np.isnan(points[:, 0]).all()
        assert np.allclose(points[7, 1:, ::-1] * small.voxel_um, small.zyx_um[7], atol=1e-3)
        assert np.array_equal(file["truth/calcium"][()], small.calcium)


def test_a_file_that_cannot_be_written_says_so(tmp_path, small):
    with pytest.raises(InputError, match="no such folder"):
        write_recording(tmp_path / "none" / "worm.h5", small)


def test_rendering_keeps_no_volume():
    recording = simulate_images(SHAPES, changed(volumes=60), seed=0)
    recording.volume(0)
    tracemalloc.start()
    for volume in recording:
        assert volume.data.size
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 20 * recording.volume(0).data.nbytes


def test_the_command_writes_images_and_a_picture(tmp_path):
    out = tmp_path / "worm.h5"
    typed = ["--images", "small", "--recording", "3", "--neurons", "12", "--shape", "16,48,64"]
    answer = CliRunner().invoke(command, [*typed, "--out", str(out)], catch_exceptions=False)
    assert answer.exit_code == 0, answer.output
    with h5py.File(out) as file:
        assert file["2/frame"].shape == (2, 64, 48, 16)
        assert file.attrs["N_neurons"] == 12
    assert (tmp_path / "worm.png").stat().st_size > 10_000


def test_images_go_into_a_file(tmp_path):
    answer = CliRunner().invoke(command, ["--images", "small", "--out", str(tmp_path)])
    assert "is a folder" in str(answer.exception)


def test_a_recording_with_a_heading_keeps_it():
    head, _ = SHAPES.draw_head(np.random.default_rng(0), 120)
    config = RecordingConfig(volumes=400, heading=0.2, bend=0, wave=0, roll=0)
    points = moved(head, config, np.random.default_rng(1))
    axis = points[:, head[:, 2].argmax()] - points[:, head[:, 2].argmin()]
    turn = np.arctan2(axis[:, 1], axis[:, 2])
    assert turn.std() == pytest.approx(0.2, rel=0.3)
    free = moved(head, RecordingConfig(volumes=400), np.random.default_rng(1))
    assert np.ptp(np.unwrap(np.arctan2(*(free[:, 0] - free[:, 50]).T[1:]))) > 0.5


def test_a_still_worm_is_still():
    still = simulate_images(SHAPES, changed(volumes=5, movement=0, jitter_um=0), seed=0)
    assert np.allclose(still.zyx_um, still.zyx_um[0], atol=1e-3)


def test_the_shape_belongs_to_images(tmp_path):
    answer = CliRunner().invoke(command, ["--shape", "1,2,3", "--out", str(tmp_path)])
    assert "add --images" in str(answer.exception)
    wrong = CliRunner().invoke(command, ["--images", "small", "--shape", "1,2", "--out", "a.h5"])
    assert "three numbers" in wrong.output
