import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trackbench import Config, PointCloud
from trackbench.core.keys import animal_key, content_key
from trackbench.core.seeds import derive_seed, generator

leaves = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
trees = st.recursive(
    leaves, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=12
)


@given(trees)
def test_equal_content_has_an_equal_key(tree):
    import copy

    assert content_key(tree) == content_key(copy.deepcopy(tree))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (1, True),
        (1, 1.0),
        ("1", 1),
        (["a", "b"], ["ab"]),
        ([1, [2]], [[1], 2]),
        (np.zeros(2), np.zeros((2, 1))),
        (np.zeros(2, np.float32), np.zeros(2)),
        ({"a": 1}, {"b": 1}),
        (None, ""),
    ],
)
def test_different_content_has_another_key(one, other):
    assert content_key(one) != content_key(other)


def test_order_of_a_mapping_does_not_matter():
    assert content_key({"a": 1, "b": 2}) == content_key({"b": 2, "a": 1})


def test_values_and_configs_have_keys():
    points = np.arange(6.0).reshape(2, 3)
    assert content_key(PointCloud(points)) == content_key(PointCloud(points.copy()))
    assert content_key(PointCloud(points)) != content_key(PointCloud(points, mirrored=True))
    assert content_key(Config()) == content_key(Config())


def test_a_function_has_no_content():
    with pytest.raises(TypeError, match="no content key"):
        content_key(print)


def test_keys_and_seeds_are_the_same_in_another_process():
    code = (
        "from trackbench.core.keys import content_key; from trackbench.core.seeds import *;"
        "print(content_key({'a': [1, 'x']}), derive_seed(3, 'worm'))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.split() == [content_key({"a": [1, "x"]}), str(derive_seed(3, "worm"))]


def test_generators_depend_on_content_alone():
    first = generator(1, "a").normal(size=4)
    generator(1, "b").normal(size=4)
    np.testing.assert_array_equal(first, generator(1, "a").normal(size=4))
    assert not np.array_equal(first, generator(2, "a").normal(size=4))


@given(st.integers(0, 10_000))
def test_a_worm_is_known_again_when_renamed_shuffled_moved_or_mirrored(seed):
    rng = np.random.default_rng(seed)
    points = rng.normal(size=(40, 3)) * 20
    turn, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    moved = points[rng.permutation(40)] @ turn * np.array([1, 1, -1.0]) + rng.normal(size=3) * 50
    known = animal_key(points) == animal_key(moved.astype(np.float32))
    assert known or _near_rounding(points)
    assert animal_key(points) != animal_key(rng.normal(size=(40, 3)) * 20)


def _near_rounding(points):
    """Tell whether a distance lies so near a rounding edge that float32 may flip it."""
    distance = np.sqrt(((points[:, None] - points[None]) ** 2).sum(axis=2))
    tenth = np.sort(distance, axis=1)[:, 1:4] * 10 + 0.5
    return bool((np.abs(tenth - np.round(tenth)) < 1e-3).any())
