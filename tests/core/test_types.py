import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trackbench import Case, Evidence, Labels, Match, PointCloud, Truth, Volume
from trackbench.errors import ContractError, InputError

POINTS = np.arange(12, dtype=float).reshape(4, 3)


def test_arrays_are_copied_and_read_only():
    source = POINTS.copy()
    cloud = PointCloud(source)
    source[0] = 99
    assert cloud.zyx_um[0, 0] == 0
    with pytest.raises(ValueError, match="read-only"):
        cloud.zyx_um[0, 0] = 1


def test_fields_cannot_be_set():
    with pytest.raises(dataclasses.FrozenInstanceError):
        PointCloud(POINTS).id = "other"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"zyx_um": [[0, 0]]}, r"shape \(1, 2\)"),
        ({"zyx_um": [[0, 0, 0], [0, np.nan, 0]]}, "row 1 is not finite"),
        ({"zyx_um": POINTS, "names": ("a",)}, "1 names for 4 points"),
        ({"zyx_um": POINTS, "names": ("AVA", "", "AVA", "")}, "AVA stands more than once"),
        ({"zyx_um": POINTS, "color": np.zeros((3, 2))}, r"shape \(3, 2\)"),
        ({"zyx_um": POINTS, "color": np.full((4, 2), np.inf)}, "color of row 0"),
        ({"zyx_um": np.zeros((100_001, 3))}, "at most 100000"),
    ],
)
def test_a_bad_point_cloud_says_what_and_whose(arguments, says):
    with pytest.raises(InputError, match=says) as caught:
        PointCloud(**arguments, id="worm7")
    assert "worm7" in str(caught.value)


def test_empty_cloud():
    cloud = PointCloud(np.zeros((0, 3)), names=())
    assert len(cloud) == 0
    assert cloud.without_names().names is None


def test_take_keeps_rows_together():
    cloud = PointCloud(POINTS, color=POINTS[:, :2], names=("a", "b", "c", ""), id="w")
    part = cloud.take(np.array([2, 0]))
    assert part.names == ("c", "a")
    np.testing.assert_array_equal(part.zyx_um, POINTS[[2, 0]])
    np.testing.assert_array_equal(part.color, POINTS[[2, 0], :2])


@given(st.integers(0, 6), st.integers(0, 6), st.integers(0, 1000))
def test_hard_pairs_come_back_as_row_maxima(n_test, n_template, seed):
    rng = np.random.default_rng(seed)
    n = min(n_test, n_template)
    pairs = list(zip(rng.permutation(n_test)[:n], rng.permutation(n_template)[:n], strict=True))
    match = Match.from_pairs(pairs, n_test, n_template)
    assert match.log_p.shape == (n_test, n_template + 1)
    expected = np.full(n_test, n_template)
    for row, column in pairs:
        expected[row] = column
    np.testing.assert_array_equal(match.log_p.argmax(axis=1), expected)
    np.testing.assert_allclose(np.exp(match.log_p).sum(axis=1), 1, atol=1e-5)


@pytest.mark.parametrize(
    ("table", "says"),
    [
        (np.full((2, 3), np.nan), "NaN"),
        (np.zeros((2, 3)), "sum to 3"),
        (np.zeros((2, 0)), "shape"),
        (np.zeros(3), "shape"),
    ],
)
def test_a_bad_match_is_the_matchers_fault(table, says):
    with pytest.raises(ContractError, match=says):
        Match(table, "t", "s")


def test_pairs_outside_the_table_are_refused():
    with pytest.raises(ContractError, match=r"pair \(0, 5\)"):
        Match.from_pairs([(0, 5)], 2, 2)


def test_evidence_needs_one_column_more_than_names():
    with pytest.raises(ContractError, match=r"\(n_test, 3\)"):
        Evidence(("a", "b"), np.log(np.full((2, 2), 0.5)))


def test_evidence_of_a_match_shares_its_table():
    match = Match.from_pairs([(0, 1)], 2, 2)
    evidence = Evidence.of_match(["a", "?1"], match, 2.0)
    assert (evidence.names, evidence.preference) == (("a", "?1"), 2.0)
    assert evidence.log_p is match.log_p
    with pytest.raises(InputError, match="3 names for 2"):
        Evidence.of_match("abc", match)
    with pytest.raises(InputError, match="a stands more than once"):
        Evidence.of_match("aa", match)


@pytest.mark.parametrize("bad", [np.nan, np.inf, 3e38])
def test_one_bad_number_is_found(bad):
    table = np.log(np.full((5, 4), 0.25))
    table[3, 2] = bad
    with pytest.raises(ContractError, match="row 3"):
        Match(table)


def test_labels_refuse_a_name_twice():
    with pytest.raises(InputError, match="a stands more than once"):
        Labels(("a", "a"), np.zeros(2))


def test_volume_checks_shape_channels_and_pitch():
    data = np.zeros((1, 2, 3, 4))
    assert Volume(data, (1, 0.5, 0.5)).data.shape == (1, 2, 3, 4)
    with pytest.raises(InputError, match="channel, z, y, x"):
        Volume(data[0], (1, 1, 1))
    with pytest.raises(InputError, match="channel names"):
        Volume(data, (1, 1, 1), channels=("red", "green"))
    with pytest.raises(InputError, match="voxel_um"):
        Volume(data, (1, 0, 1))


def _case(**change):
    values = {
        "id": "c",
        "templates": (PointCloud(POINTS, names=("a", "b", "", "")),),
        "test": PointCloud(POINTS),
        "truth": Truth(("a", "b", "", "")),
        "animal": "worm",
        "split": "test",
        "protocol": "p",
    }
    return Case(**{**values, **change})


def test_a_test_never_carries_names():
    with pytest.raises(InputError, match="put them into `truth`"):
        _case(test=PointCloud(POINTS, names=("a", "b", "", "")))


def test_truth_has_one_name_a_neuron():
    with pytest.raises(InputError, match="1 true names for 4 neurons"):
        _case(truth=Truth(("a",)))


def test_notes_name_their_cloud():
    test = PointCloud(POINTS, id="w1", notes=("RMDD stood twice",))
    assert _case(test=test).notes == ("w1: RMDD stood twice",)
