import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trackbench.datasets.readers import read_points
from trackbench.datasets.readers.points_csv import read_points_csv
from trackbench.errors import InputError


def write(tmp_path, text, name="mine.csv"):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    "text",
    [
        "z,y,x\n1,2,3\n",
        "x,y,z\n3,2,1\n",
        "X_um,Z_um,Y_um,comment\n3,1,2,left\n",
        "real_X,real_Y,real_Z\n3,2,1\n",
        "x;y;z\n3;2;1\n",
    ],
)
def test_columns_are_found_by_their_names(tmp_path, text):
    cloud = read_points_csv(write(tmp_path, text))
    np.testing.assert_array_equal(cloud.zyx_um, [[1, 2, 3]])
    assert cloud.names is None
    assert cloud.color is None
    assert (cloud.id, cloud.animal) == ("mine", "mine")


@pytest.mark.parametrize("column", ["name", "ID", "Label"])
def test_names(tmp_path, column):
    cloud = read_points_csv(write(tmp_path, f"z,y,x,{column}\n1,2,3,AVAL\n4,5,6,\n7,8,9,nan\n"))
    assert cloud.names == ("AVAL", "", "")


def test_colors_come_in_the_order_red_green_blue_white(tmp_path):
    cloud = read_points_csv(write(tmp_path, "b,W,z,y,x,Red,g\n3,4,0,0,0,1,2\n"))
    assert cloud.color.tolist() == [[1, 2, 3, 4]]


def test_own_color_channels_come_in_the_files_order(tmp_path):
    text = "z,y,x,color_tagRFP,color_mNeptune,red\n0,0,0,7,8,9\n"
    assert read_points_csv(write(tmp_path, text)).color.tolist() == [[7, 8]]


def test_handedness_is_what_the_caller_says(tmp_path):
    path = write(tmp_path, "z,y,x\n1,2,3\n")
    assert read_points_csv(path).mirrored is None
    assert read_points_csv(path, mirrored=True).mirrored is True


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("a,b,c\n1,2,3\n", "no column z, y, x"),
        ("z,y,name\n1,2,3\n", "no column x"),
        ("1,2,3\n4,5,6\n", "no column z, y, x"),
        ("z,z_um,y,x\n1,1,2,3\n", "z and z_um mean the same"),
        ("z,y,x\n1,nan,3\n", "line 2, column y"),
        ("z,y,x,red\n1,2,3,\n", "line 2, column red"),
        ("z,y,x,name\n1,2,3,RIH\n1,2,4,AVAL\n1,2,5,RIH\n", "the name RIH stands more than once"),
        ("z,y,x\n", "no rows"),
        ("", "empty"),
    ],
)
def test_a_bad_file_is_one_line_with_file_and_mend(tmp_path, text, complaint):
    path = write(tmp_path, text)
    with pytest.raises(InputError, match=complaint) as caught:
        read_points_csv(path)
    assert str(path) in caught.value.problem
    assert caught.value.mend
    assert "\n" not in str(caught.value)


@given(
    points=st.lists(
        st.tuples(*[st.floats(-1e4, 1e4, allow_nan=False, width=32)] * 3), min_size=1, max_size=20
    ),
    order=st.permutations("zyx"),
)
def test_what_was_written_comes_back(tmp_path_factory, points, order):
    rows = [",".join(repr(point["zyx".index(axis)]) for axis in order) for point in points]
    path = tmp_path_factory.mktemp("csv") / "worm.csv"
    path.write_text("\n".join([",".join(order), *rows]), encoding="utf-8")
    np.testing.assert_array_equal(read_points_csv(path).zyx_um, np.array(points, dtype=np.float32))


def test_the_suffix_decides_the_format(tmp_path):
    np.save(tmp_path / "real_1.npy", np.array([[1.0, 2, 3, 0]]))
    (tmp_path / "a.data").write_bytes(pickle.dumps({"pts": np.array([[1.0, 2, 3]])}, protocol=3))
    table = write(tmp_path, "x\ty\tz\n1\t2\t3\n", "a.TSV")
    assert read_points(table, mirrored=True).zyx_um.tolist() == [[3, 2, 1]]
    assert read_points(tmp_path / "a.data", mirrored=True).mirrored is True
    assert read_points(tmp_path / "a.data").zyx_um.tolist() == [[3, 2, 1]]
    assert read_points(tmp_path / "real_1.npy", mirrored=False).mirrored is False
    with pytest.raises(InputError, match=r"unknown suffix '\.xlsx'"):
        read_points(tmp_path / "a.xlsx")
