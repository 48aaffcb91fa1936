import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trackbench.datasets.readers.fdnc_data import read_fdnc_data
from trackbench.errors import InputError


def worm(n=5, **changes):
    points = np.arange(3.0 * n).reshape(n, 3)
    content = {
        "pts": points,
        "fluo": np.arange(4.0 * n).reshape(n, 4),
        "name": ["AVAL", "", "AVAR", "RIH", ""][:n],
        "name_auto": ["x"] * n,
        "pts_align": points + 100,
    }
    return {key: value for key, value in (content | changes).items() if value is not ...}


def write(tmp_path, content, name="worm.data"):
    path = tmp_path / name
    path.write_bytes(pickle.dumps(content, protocol=3))
    return path


def test_positions_become_z_y_x(tmp_path):
    cloud = read_fdnc_data(write(tmp_path, worm()))
    np.testing.assert_array_equal(cloud.zyx_um[1], [5, 4, 3])
    np.testing.assert_array_equal(cloud.color[1], [4, 5, 6, 7])
    assert cloud.names == ("AVAL", "", "AVAR", "RIH", "")
    assert cloud.mirrored is None
    assert (cloud.id, cloud.animal) == ("worm", "worm")


def test_side_zero_is_half_a_turn_about_y_and_never_a_mirror(tmp_path):
    plain = read_fdnc_data(write(tmp_path, worm(side=1)))
    turned = read_fdnc_data(write(tmp_path, worm(side=0)))
    np.testing.assert_array_equal(turned.zyx_um, plain.zyx_um * [-1, 1, -1])
    rotation = np.linalg.lstsq(plain.zyx_um[[1, 2, 4]], turned.zyx_um[[1, 2, 4]], rcond=None)[0]
    assert np.linalg.det(np.diag([-1, 1, -1])) > 0
    np.testing.assert_allclose(plain.zyx_um @ rotation, turned.zyx_um, atol=1e-4)


def test_mask_keep_holds_indices(tmp_path):
    cloud = read_fdnc_data(write(tmp_path, worm(mask_keep=np.array([3, 0]))))
    assert cloud.names == ("RIH", "AVAL")
    np.testing.assert_array_equal(cloud.zyx_um[:, 2], [9, 0])
    np.testing.assert_array_equal(cloud.color[:, 0], [12, 0])


@given(st.permutations(range(5)), st.integers(1, 5))
def test_keeping_is_taking(tmp_path_factory, order, count):
    folder = tmp_path_factory.mktemp("keep")
    kept = np.array(order[:count])
    everything = read_fdnc_data(write(folder, worm()))
    some = read_fdnc_data(write(folder, worm(mask_keep=kept)))
    np.testing.assert_array_equal(some.zyx_um, everything.zyx_um[kept])
    assert some.names == tuple(everything.names[i] for i in kept)


def test_color_and_names_may_be_absent(tmp_path):
    cloud = read_fdnc_data(write(tmp_path, worm(fluo=..., name=...)))
    assert cloud.color is None
    assert cloud.names is None
    assert read_fdnc_data(write(tmp_path, worm(fluo=None))).color is None


def test_a_name_that_stands_twice_is_noted(tmp_path):
    cloud = read_fdnc_data(write(tmp_path, worm(name=["RIH", "", "RIH", "", ""])))
    assert cloud.names == ("RIH", "", "", "", "")
    assert "RIH stands more than once" in cloud.notes[0]


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ({"fluo": 1}, "no field 'pts'"),
        ([1, 2], "no field 'pts'"),
        (worm(pts=np.zeros((5, 2))), "pts has shape"),
        (worm(pts=[[1, 2, 3]] * 5), "pts isn't a numpy array"),
        (worm(pts=np.full((5, 3), np.nan)), "pts is not finite in row 0"),
        (worm(fluo=np.full((5, 4), np.inf)), "fluo is not finite in row 0"),
        (worm(fluo=np.zeros((4, 4))), "fluo has shape"),
        (worm(name=["a"]), "name is not a list of 5 texts"),
        (worm(name=[1] * 5), "name is not a list of 5 texts"),
        (worm(mask_keep=np.array([True] * 5)), "mask_keep is not an array of indices"),
        (worm(mask_keep=[0, 1]), "mask_keep is not an array of indices"),
        (worm(mask_keep=np.array([0, 5])), "beyond the 5 points"),
        (worm(mask_keep=np.array([-1])), "beyond the 5 points"),
        (worm(mask_keep=np.array([1, 1])), "repeats one"),
    ],
)
def test_a_bad_file_is_one_line_with_the_file(tmp_path, content, complaint):
    path = write(tmp_path, content)
    with pytest.raises(InputError, match=complaint) as caught:
        read_fdnc_data(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_foreign_class_is_not_run(tmp_path):
    class Evil:
        def __reduce__(self):
            return (open, (str(tmp_path / "canary"), "w"))

    with pytest.raises(InputError, match="nothing in it was run"):
        read_fdnc_data(write(tmp_path, worm(label=Evil())))
    assert not (tmp_path / "canary").exists()


def test_an_absurdly_large_file_is_not_read(tmp_path):
    path = tmp_path / "large.data"
    with path.open("wb") as stream:
        stream.truncate((1 << 26) + 1)
    with pytest.raises(InputError, match="MiB"):
        read_fdnc_data(path)


@pytest.mark.real_data
def test_the_published_pair(real_data):
    template = read_fdnc_data(real_data / "fdnc_example" / "template.data")
    test = read_fdnc_data(real_data / "fdnc_example" / "test.data")
    assert (len(template), len(test)) == (127, 143)
    named = [{name for name in cloud.names if name} for cloud in (template, test)]
    assert [len(names) for names in named] == [70, 52]
    assert len(named[0] & named[1]) == 48
    assert template.color.shape == (127, 4)
    span = np.ptp(template.zyx_um, axis=0)
    np.testing.assert_allclose(span, [18, 35, 90], atol=5)
