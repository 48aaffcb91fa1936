import numpy as np
import pytest

from trackbench.datasets.readers.fdnc_points import list_fdnc_volumes, read_fdnc_points
from trackbench.errors import InputError, MissingDataError


def save(path, rows):
    np.save(path, np.array(rows, dtype=float))
    return path


def test_units_and_axes(tmp_path):
    cloud = read_fdnc_points(save(tmp_path / "real_7.npy", [(1, 2, 3, 5), (0, 0, 0.5, -1)]))
    np.testing.assert_allclose(cloud.zyx_um, [[252, 168, 84], [42, 0, 0]])
    assert cloud.names == ("5", "")
    assert cloud.mirrored is None
    assert cloud.id == "real_7"


def test_spurious_neurons_have_no_name_and_zero_is_a_name(tmp_path):
    cloud = read_fdnc_points(save(tmp_path / "syn_1.npy", [(0, 0, 0, 0), (1, 1, 1, -2)]))
    assert cloud.names == ("0", "")


def test_a_label_that_stands_twice_is_noted(tmp_path):
    cloud = read_fdnc_points(save(tmp_path / "real_1.npy", [(0, 0, 0, 3), (1, 1, 1, 3)]))
    assert cloud.names == ("3", "")
    assert "3 stands more than once" in cloud.notes[0]


@pytest.mark.parametrize(
    ("rows", "complaint"),
    [
        ([(0, 0, 0, 0), (0, np.nan, 0, 1)], "row 1 is not finite"),
        ([(0, 0, 0, 0.5)], "label 0.5 in row 0"),
        ([(0, 0, 0, -3)], "label -3 in row 0"),
        ([(0, 0, 0)], "shape \\(1, 3\\)"),
    ],
)
def test_a_bad_file_is_one_line_with_the_file(tmp_path, rows, complaint):
    path = save(tmp_path / "real_1.npy", rows)
    with pytest.raises(InputError, match=complaint) as caught:
        read_fdnc_points(path)
    assert str(path) in str(caught.value)


def test_volumes_are_listed_by_number(tmp_path):
    for name in ("real_10.npy", "real_9.npy", "real_x.npy", "notes.txt", "real_2.npy.part"):
        (tmp_path / name).write_bytes(b"")
    assert list(list_fdnc_volumes(tmp_path)) == [9, 10]


def test_a_missing_folder_has_its_mend(tmp_path):
    with pytest.raises(MissingDataError, match="trackbench data fetch"):
        list_fdnc_volumes(tmp_path / "absent")


@pytest.mark.real_data
def test_the_template_volume(real_data):
    folder = real_data / "nguyen2017" / "test_tracking" / "real_jeff_all"
    cloud = read_fdnc_points(list_fdnc_volumes(folder)[663])
    assert sum(name != "" for name in cloud.names) == 71
    assert len(cloud) == 115
    distance = np.linalg.norm(cloud.zyx_um[:, None] - cloud.zyx_um, axis=2)
    np.fill_diagonal(distance, np.inf)
    assert np.median(distance.min(axis=1)) == pytest.approx(5.0, abs=1.0)
