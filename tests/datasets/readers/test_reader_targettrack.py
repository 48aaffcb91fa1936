import numpy as np
import pytest

from trackbench.datasets.readers.targettrack import (
    MASK_VOXEL_UM,
    POINT_VOXEL_UM,
    read_frame,
    read_label_frame,
    read_points,
)
from trackbench.errors import InputError


def test_points_and_image_agree(targettrack):
    folder = targettrack({"ex2": [1, 5, 84]}) / "targettrack" / "data_points" / "ex2"
    cloud = read_points(folder / "pts_gt.npy")
    volume = read_frame(folder / "frame_gt.npy")
    assert cloud.names == ("1", "5", "84")
    assert volume.data.shape == (2, 4, 91, 90)
    assert volume.channels == ("red", "green")
    index = np.round(cloud.zyx_um / volume.voxel_um).astype(int)
    assert volume.data[0][tuple(index.T)].tolist() == [1, 5, 84]


def test_z_is_three_times_x_and_y():
    assert POINT_VOXEL_UM[0] == pytest.approx(3 * POINT_VOXEL_UM[1])
    assert POINT_VOXEL_UM[1] == POINT_VOXEL_UM[2]


@pytest.mark.parametrize(
    ("points", "complaint"),
    [
        (np.full((85, 3), np.nan), "no row is finite"),
        (np.zeros((85, 3)), "row 0 holds a point"),
        (np.zeros((85, 2)), "shape"),
    ],
)
def test_bad_points_are_one_line(tmp_path, points, complaint):
    np.save(tmp_path / "pts_gt.npy", points)
    with pytest.raises(InputError, match=complaint):
        read_points(tmp_path / "pts_gt.npy")


def test_an_image_without_channels_is_refused(tmp_path):
    np.save(tmp_path / "frame_gt.npy", np.zeros((8, 8, 4), np.uint8))
    with pytest.raises(InputError, match="it must be \\(2, x, y, z\\)"):
        read_frame(tmp_path / "frame_gt.npy")


def test_mask_frames(tmp_path):
    image = np.zeros((5, 4, 3), np.int16)
    mask = np.zeros((5, 4, 3), np.int16)
    image[4, 1, 2], mask[4, 1, 2] = 200, 13
    np.save(tmp_path / "frame_1.npy", image)
    np.save(tmp_path / "mask_1.npy", np.asfortranarray(mask))
    volume, labels = read_label_frame(tmp_path / "frame_1.npy", tmp_path / "mask_1.npy")
    assert volume.data.shape == (1, 3, 4, 5)
    assert volume.data[0, 2, 1, 4] == 200
    assert labels[2, 1, 4] == 13
    assert tuple(volume.voxel_um) == MASK_VOXEL_UM


def test_a_mask_of_another_shape_or_with_negative_labels_is_refused(tmp_path):
    np.save(tmp_path / "frame.npy", np.zeros((5, 4, 3), np.int16))
    np.save(tmp_path / "small.npy", np.zeros((5, 4, 2), np.int16))
    np.save(tmp_path / "negative.npy", np.full((5, 4, 3), -1, np.int16))
    with pytest.raises(InputError, match="as its image"):
        read_label_frame(tmp_path / "frame.npy", tmp_path / "small.npy")
    with pytest.raises(InputError, match="0 = background"):
        read_label_frame(tmp_path / "frame.npy", tmp_path / "negative.npy")


@pytest.mark.real_data
def test_published_frames(real_data):
    points = real_data / "targettrack" / "data_points"
    a, b = (read_points(points / example / "pts_gt.npy") for example in ("ex2", "ex3"))
    assert (len(a), len(b)) == (82, 83)
    assert len(set(a.names) & set(b.names)) == 82
    volume = read_frame(points / "ex2" / "frame_gt.npy")
    assert volume.data.shape == (2, 16, 160, 256)
    index = np.round(a.zyx_um / volume.voxel_um).astype(int)
    assert (volume.data[0][tuple(index.T)] > 4).mean() > 0.75
    masks = real_data / "targettrack" / "data_mask" / "gt"
    _, labels = read_label_frame(masks / "frame_520.npy", masks / "mask_520.npy")
    assert labels.shape == (32, 128, 192)
    assert len(np.unique(labels)) == 12
