"""A pickle can name any function: none but numpy's three may pass, and not even those run."""

import collections
import contextlib
import datetime as dt
import functools
import os
import pathlib
import pickle
import pickletools
import subprocess
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from trackbench.datasets.readers.safe_pickle import ALLOWED, loads
from trackbench.errors import InputError

PATH = pathlib.Path("worm.data")


def dumps(value, protocol=3):
    return pickle.dumps(value, protocol=protocol)


class Touch:
    """Creates a file when unpickled: the canary."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (pathlib.Path.touch, (pathlib.Path(self.path),))


class Call:
    def __init__(self, function, *arguments):
        self.reduced = (function, arguments)

    def __reduce__(self):
        return self.reduced


@pytest.mark.parametrize("protocol", [3, 4, 5])
@pytest.mark.parametrize("dtype", ["<f8", ">f8", "<f4", "<i8", "u1", "?"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_reads_arrays_of_numbers_in_every_protocol(protocol, dtype, order):
    array = np.asarray(np.arange(12).reshape(3, 4) % 5, dtype=dtype, order=order)
    found = loads(dumps({"a": array, "b": [array, "text", 1, 2.5, None, (True,)]}, protocol), PATH)
    np.testing.assert_array_equal(found["a"], array)
    assert found["a"].dtype == array.dtype
    np.testing.assert_array_equal(found["b"][0], array)
    assert found["b"][1:] == ["text", 1, 2.5, None, (True,)]


@given(
    array=hnp.arrays(
        hnp.integer_dtypes() | hnp.floating_dtypes(sizes=(32, 64)),
        hnp.array_shapes(min_dims=0, max_dims=4, min_side=0),
    ),
    protocol=st.integers(3, 5),
)
def test_any_array_of_numbers_comes_back_bit_for_bit(array, protocol):
    found = loads(dumps([array], protocol), PATH)[0]
    assert found.dtype == array.dtype
    assert found.shape == array.shape
    assert found.tobytes() == array.tobytes()


def test_the_names_that_files_of_either_numpy_use_are_allowed():
    modules = {module for module, _ in ALLOWED}
    assert modules == {
        "numpy",
        "numpy.core.multiarray",
        "numpy._core.multiarray",
        "numpy.core.numeric",
        "numpy._core.numeric",
    }


@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4, 5])
def test_the_canary_stays_alive(tmp_path, protocol):
    canary = tmp_path / "canary"
    raw = dumps({"pts": Touch(canary)}, protocol)
    with pytest.raises(InputError, match="nothing in it was run"):
        loads(raw, PATH)
    assert not canary.exists()
    pickle.loads(raw)  # the same bytes do harm where no whitelist stands
    assert canary.exists()


def system_call(canary):
    return Call(os.system, f"touch {canary}")


def evaluation(canary):
    return Call(eval, f"open({str(canary)!r}, 'w').close()")


def subprocess_call(canary):
    return Call(subprocess.call, ["touch", str(canary)])


def partial_call(canary):
    return Call(functools.partial(os.system, f"touch {canary}"))


def import_call(canary):
    return Call(__import__, "os")


@pytest.mark.parametrize(
    "attack", [system_call, evaluation, subprocess_call, partial_call, import_call]
)
def test_attacks_are_refused_and_not_run(tmp_path, attack):
    canary = tmp_path / "canary"
    with pytest.raises(InputError, match="it names"):
        loads(dumps(attack(canary)), PATH)
    assert not canary.exists()


@pytest.mark.parametrize(
    "value",
    [
        collections.OrderedDict(a=1),
        Fraction(1, 2),
        dt.date(2020, 1, 1),
        pathlib.PurePosixPath("a"),
        np.float64(1.5),
        np.random.default_rng(0),
        np.ma.masked_array([1.0]),
        complex(1, 2),
        range(3),
        slice(1),
        print,
        Touch,
    ],
    ids=repr,
)
def test_every_foreign_class_is_refused(value):
    with pytest.raises(InputError, match=r"worm\.data: not a pickle of plain values"):
        loads(dumps({"pts": value}), PATH)


@pytest.mark.parametrize(
    "array",
    [np.array([{}, []], dtype=object), np.array(["a"]), np.zeros(2, dtype="f8,i4"), np.array([1j])],
    ids=["objects", "text", "records", "complex"],
)
def test_arrays_of_anything_but_numbers_are_refused(array):
    with pytest.raises(InputError):
        loads(dumps([array]), PATH)


def opcodes(*parts):
    return b"\x80\x03" + b"".join(parts) + b"."


RECONSTRUCT = b"cnumpy.core.multiarray\n_reconstruct\n"
NDARRAY = b"cnumpy\nndarray\n"
DTYPE = b"cnumpy\ndtype\n"


@pytest.mark.parametrize(
    "raw",
    [
        opcodes(NDARRAY, b"(I1000000000000\nt\x85R"),  # ndarray((10**12,))
        opcodes(RECONSTRUCT, b"(", NDARRAY, b"(I1000000000000\ntC\x01btR"),  # absurd shape
        opcodes(RECONSTRUCT, b"(", DTYPE, b"(K\x00tC\x01btR"),  # another class inside
        opcodes(RECONSTRUCT, b"(", NDARRAY, b"(K\x00tC\x01btR"),  # no content
        opcodes(RECONSTRUCT, b"}X\x01\x00\x00\x00aK\x01sb"),  # state for a function
        opcodes(NDARRAY, b"}X\x01\x00\x00\x00aK\x01sb"),  # state for a class
        opcodes(DTYPE, b"X\x02\x00\x00\x00O8\x85R"),  # a dtype of objects
        opcodes(DTYPE, b"X\x02\x00\x00\x00f8\x85R(K\x03X\x01\x00\x00\x00!tb"),  # byte order
        opcodes(NDARRAY, b")\x81"),  # a new instance without its constructor
        opcodes(DTYPE),  # a bare class
        b"\x80\x03K",
        b"",
        b"not a pickle",
        opcodes(b"P1\n"),  # a persistent id
    ],
)
def test_hand_made_pickles_are_refused(raw):
    with pytest.raises(InputError, match=r"worm\.data"):
        loads(raw, PATH)


def test_the_stand_ins_keep_no_state_between_files():
    poison = opcodes(RECONSTRUCT, b"N}X\x01\x00\x00\x00aK\x01s\x86b")
    with pytest.raises(InputError):
        loads(poison, PATH)
    array = np.arange(3.0)
    np.testing.assert_array_equal(loads(dumps(array), PATH), array)


def test_wrong_lengths_are_refused():
    raw = dumps(np.arange(4.0))
    at = raw.index(b"K\x04\x85")
    with pytest.raises(InputError, match="bytes for an array of shape"):
        loads(raw[: at + 1] + b"\x05" + raw[at + 2 :], PATH)


def test_a_pickle_that_repeats_itself_stays_linear():
    nested = [0] * 10
    for _ in range(40):
        nested = [nested] * 10
    found = loads(dumps(nested), PATH)
    assert len(found) == 10


def test_a_cyclic_pickle_is_one_line():
    cycle = []
    cycle.append(cycle)
    with pytest.raises(InputError):
        loads(dumps(cycle), PATH)


@given(cut=st.integers(0, 400), flip=st.integers(0, 400), value=st.integers(0, 255))
def test_damaged_pickles_raise_nothing_but_our_error(cut, flip, value):
    raw = bytearray(dumps({"pts": np.arange(12.0).reshape(4, 3), "name": ["AVAL", "", "RIH", "?"]}))
    raw[flip % len(raw)] = value
    raw = bytes(raw[: len(raw) - cut % len(raw)])
    with contextlib.suppress(InputError):
        loads(raw, PATH)


@pytest.mark.real_data
def test_the_published_pair_uses_three_names(real_data):
    for name in ("template.data", "test.data"):
        raw = (real_data / "fdnc_example" / name).read_bytes()
        named = {
            argument for opcode, argument, _ in pickletools.genops(raw) if opcode.name == "GLOBAL"
        }
        assert {tuple(text.split(" ")) for text in named} <= set(ALLOWED)
        assert "pts" in loads(raw, PATH)
