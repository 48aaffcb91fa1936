import io

import numpy as np
import pytest

from trackbench.datasets.readers.arrays import read_array
from trackbench.errors import InputError

WANTED = ((None, 4), "(n, 4): x, y, z, label")


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", ["<f8", ">f4", "i2", "u1"])
def test_reads_what_numpy_saved(tmp_path, order, dtype):
    values = np.arange(12).reshape(3, 4).astype(dtype)
    np.save(tmp_path / "a.npy", np.asarray(values, order=order))
    found = read_array(tmp_path / "a.npy", *WANTED)
    np.testing.assert_array_equal(found, values)
    assert type(found) is np.ndarray


@pytest.mark.parametrize("keep", [1, 20, 100, 130, -1])
def test_a_truncated_file_is_one_line(tmp_path, keep):
    np.save(tmp_path / "a.npy", np.zeros((50, 4)))
    whole = (tmp_path / "a.npy").read_bytes()
    (tmp_path / "cut.npy").write_bytes(whole[:keep])
    with pytest.raises(InputError, match=r"cut\.npy: can't be read") as caught:
        read_array(tmp_path / "cut.npy", *WANTED)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("shape", [(3, 3), (4,), (2, 3, 4), (0, 4)])
def test_another_shape_is_told(tmp_path, shape):
    np.save(tmp_path / "a.npy", np.zeros(shape))
    with pytest.raises(InputError, match="it must be \\(n, 4\\): x, y, z, label"):
        read_array(tmp_path / "a.npy", *WANTED)


def test_a_header_that_promises_an_absurd_shape_allocates_nothing(tmp_path):
    header = io.BytesIO()
    described = {"descr": "<f8", "fortran_order": False, "shape": (10**15, 4)}
    np.lib.format.write_array_header_1_0(header, described)
    (tmp_path / "a.npy").write_bytes(header.getvalue() + b"\0" * 64)
    with pytest.raises(InputError, match="can't be read"):
        read_array(tmp_path / "a.npy", *WANTED)


def test_objects_archives_and_text_are_refused(tmp_path):
    np.save(tmp_path / "objects.npy", np.array([[{}] * 4]), allow_pickle=True)
    np.savez(tmp_path / "many.npz", a=np.zeros((3, 4)))
    np.save(tmp_path / "text.npy", np.array([["a"] * 4]))
    (tmp_path / "plain.npy").write_text("1 2 3 4")
    for name, complaint in (
        ("objects.npy", "can't be read"),
        ("many.npz", "archive"),
        ("text.npy", "must hold numbers"),
        ("plain.npy", "can't be read"),
    ):
        with pytest.raises(InputError, match=complaint):
            read_array(tmp_path / name, *WANTED)
