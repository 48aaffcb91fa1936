"""The segmenter `blobs`: simulated volumes, real frames, odd inputs."""

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist

from trackbench import Volume
from trackbench.core.blob_filters import filtered, lit_box
from trackbench.core.blob_settings import BlobSettings
from trackbench.core.blob_shapes import split_labels
from trackbench.datasets.calcium import read_labeled_frames
from trackbench.datasets.semisynthetic.image_config import PRESETS
from trackbench.datasets.semisynthetic.images import simulate_images
from trackbench.datasets.semisynthetic.nuclei import Nuclei
from trackbench.datasets.semisynthetic.optics import Microscope
from trackbench.datasets.semisynthetic.shape import load_shapes
from trackbench.errors import InputError
from trackbench.plugins.blobs import BlobsConfig, BlobsSegmenter

HEAD = PRESETS["head"]
FLOOR_F1 = 0.95
"""Promised at head density, over volumes that no setting was chosen on."""
FLOOR_RECALL = 0.85
"""Promised share of the human points on frames A to C, within four voxels."""


def paired(found, true, reach):
    """Rows of a one-to-one pairing within `reach`."""
    distance = cdist(found, true)
    rows, columns = linear_sum_assignment(np.maximum(reach - distance, 0), maximize=True)
    near = distance[rows, columns] < reach
    return rows[near], columns[near]


def photograph(centres_um, seed=0, brightness=120.0):
    """An image of nuclei of one size and brightness at given places."""
    centres = np.asarray(centres_um, dtype=float)
    n = len(centres)
    nuclei = Nuclei(np.full(n, 1.6), np.full(n, brightness), np.full(n, 1.0))
    data = Microscope(HEAD, nuclei.radius_um).image(centres, nuclei.red[None], [seed])
    return Volume(data, np.array(HEAD.voxel_um), ("red",), id="photograph")


GRID = np.stack(np.meshgrid([20.0, 40.0], [20.0, 50.0, 80.0], [30.0, 80.0, 130.0]), -1).reshape(
    -1, 3
)


@pytest.mark.slow
def test_f1_at_head_density_is_as_promised():
    shapes, blobs, found_f1 = load_shapes(), BlobsSegmenter(), []
    for seed in (501, 502, 503):
        recording = simulate_images(shapes, HEAD, seed)
        for t in (20, 120):
            found, true = blobs.segment(recording.volume(t)).zyx_um, recording.points(t).zyx_um
            found_f1.append(2 * len(paired(found, true, 3.0)[0]) / (len(found) + len(true)))
    assert np.mean(found_f1) >= FLOOR_F1


@pytest.mark.real_data
def test_recall_of_human_points_is_as_promised(real_data):
    hits = people = 0
    for frame in read_labeled_frames(real_data / "targettrack").values():
        if frame.volume is not None:
            voxel = frame.volume.voxel_um
            found = BlobsSegmenter().segment(frame.volume).zyx_um / voxel
            hits += len(paired(found, frame.cloud.zyx_um / voxel, 4.0)[0])
            people += len(frame.cloud)
    assert people > 200
    assert hits / people >= FLOOR_RECALL


def test_lone_nuclei_are_found_where_they_are():
    found = BlobsSegmenter().segment(photograph(GRID)).zyx_um
    rows, columns = paired(found, GRID, 3.0)
    assert len(found) == len(GRID) == len(rows)
    assert np.abs(found[rows] - GRID[columns]).max() < 0.35


@pytest.mark.parametrize("along", [(1, 0, 0), (0, 1, 0), (0, 0, 1), (0.8, 0.6, 0)])
def test_touching_nuclei_are_two(along):
    other = GRID[4] + 3.4 * np.array(along)
    found = BlobsSegmenter().segment(photograph(np.vstack([GRID, other]))).zyx_um
    assert len(found) == len(GRID) + 1
    assert len(paired(found, np.vstack([GRID, other]), 1.5)[0]) == len(GRID) + 1


def test_the_pitch_does_not_matter():
    volume = photograph(GRID)
    fine = Volume(volume.data.repeat(2, axis=2), np.array(volume.voxel_um) / (1, 2, 1), ("red",))
    one, other = (BlobsSegmenter().segment(item).zyx_um for item in (volume, fine))
    rows, columns = paired(one, other, 3.0)
    assert len(rows) == len(one) == len(other)
    assert np.abs(one[rows] - other[columns]).max() < 0.5


def test_brightness_and_offset_do_not_matter():
    volume = photograph(GRID)
    scaled = Volume(volume.data * 37.0 + 1000, volume.voxel_um, ("red",))
    one, other = (BlobsSegmenter().segment(item).zyx_um for item in (volume, scaled))
    assert np.allclose(one, other, atol=0.01)


def test_noise_alone_holds_no_nucleus():
    rng = np.random.default_rng(0)
    noise = Volume(rng.normal(20, 3, (1, 24, 100, 120)), (1.95, 0.65, 0.65))
    assert len(BlobsSegmenter().segment(noise)) == 0


def test_hot_pixels_are_no_nuclei():
    volume = photograph(GRID)
    data = np.array(volume.data)
    for place in ((3, 20, 20), (12, 60, 200), (28, 140, 70)):
        data[(0, *place)] = 255
    found = BlobsSegmenter().segment(Volume(data, volume.voxel_um, ("red",))).zyx_um
    assert len(found) == len(GRID) == len(paired(found, GRID, 1.0)[0])


def test_labels_belong_to_the_points():
    volume = photograph(GRID)
    blobs = BlobsSegmenter()
    labels, points = blobs.labels(volume), blobs.segment(volume).zyx_um
    assert labels.shape == volume.data.shape[1:]
    voxel = np.round(points / volume.voxel_um).astype(int)
    assert np.array_equal(labels[tuple(voxel.T)], np.arange(1, len(points) + 1))


def test_the_lit_box_holds_every_nucleus_and_little_else():
    volume = photograph([[30.0, 60.0, 40.0], [34.0, 64.0, 60.0]])
    box = lit_box(volume.data[0], np.array(volume.voxel_um), 1.6)
    assert box[2].stop < 140
    assert box[1].start > 60
    index = np.array([[30.0, 60.0, 40.0], [34.0, 64.0, 60.0]]) / volume.voxel_um
    for place in index:
        assert all(part.start + 3 < at < part.stop - 3 for part, at in zip(box, place, strict=True))


def test_noise_is_measured_in_spite_of_nuclei():
    volume = photograph(GRID)
    found = filtered(volume.data[0], np.array(volume.voxel_um), BlobSettings())
    dark = found.band[:, :20, :30]
    assert found.noise == pytest.approx(dark.std(), rel=0.1)
    assert found.band.std() > 1.15 * found.noise  # nuclei count in the plain deviation


def test_few_blobs_are_never_split():
    labels = np.zeros((10, 30, 30), dtype=np.int32)
    labels[2:4, 2:28, 3] = 1
    light = (labels > 0).astype(np.float32)
    assert np.array_equal(split_labels(labels, light, np.ones(3), ratio=1.5), labels)


def test_three_channels_give_colors():
    red = photograph(GRID).data
    data = np.concatenate([red, 2 * red, 0 * red])
    found = BlobsSegmenter().segment(Volume(data, HEAD.voxel_um, ("red", "green", "blue")))
    assert found.color is not None
    assert np.allclose(found.color[:, 1], 2 * found.color[:, 0])
    assert (found.color[:, 2] == 0).all()
    assert (found.color[:, 0] > 20).all()


def test_a_channel_that_is_not_there_is_named():
    with pytest.raises(InputError, match=r"1 channels.*channel=3"):
        BlobsSegmenter(BlobsConfig(channel=3)).segment(photograph(GRID))


def test_nan_is_refused():
    data = np.ones((1, 8, 20, 20))
    data[0, 1, 2, 3] = np.nan
    with pytest.raises(InputError, match="NaN"):
        BlobsSegmenter().segment(Volume(data, (2.0, 0.6, 0.6)))


@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 40, 40), (16, 1, 3), (2, 3, 500)])
def test_odd_shapes_give_a_cloud(shape):
    data = np.random.default_rng(0).normal(50, 1, (1, *shape))
    assert len(BlobsSegmenter().segment(Volume(data, (2.0, 0.6, 0.6)))) < 3
