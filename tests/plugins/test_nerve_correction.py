import numpy as np
import pytest

from trackbench.plugins.nerve.correction import (
    SMOOTHING_UM,
    corrected,
    leave_one_out,
    places_of,
)


def volumes(n=40, seed=0):
    """Two postures of one worm: the second bent and shifted."""
    rng = np.random.default_rng(seed)
    first = rng.normal(size=(n, 3)) * [9.0, 8.0, 30.0]
    second = first + np.array([5.0, -2.0, 1.0])
    second[:, 1] += 4.0 * (first[:, 2] / 30.0) ** 2
    return first, second


def smooth_plate(source, target, at):
    """The same plate, solved outright for one left-out point."""
    count = len(source)
    affine = np.hstack([np.ones((count, 1)), source])
    kernel = -np.linalg.norm(source[:, None] - source[None], axis=2)
    system = np.block(
        [[kernel + SMOOTHING_UM * np.eye(count), affine], [affine.T, np.zeros((4, 4))]]
    )
    weights = np.linalg.solve(system, np.vstack([target, np.zeros((4, 3))]))
    row = np.hstack([-np.linalg.norm(at - source, axis=1), 1.0, at])
    return row @ weights


def test_all_predictions_of_one_solve_are_those_of_leaving_each_out():
    first, second = volumes()
    found = leave_one_out(first, second)
    for i in (0, 7, 39):
        rest = np.arange(40) != i
        wanted = smooth_plate(first[rest], second[rest], first[i])
        np.testing.assert_allclose(found[i], wanted, atol=1e-6)


def test_a_neuron_that_the_test_lacks_is_predicted_from_all_others():
    first, second = volumes()
    partial = second.copy()
    partial[5] = np.nan
    found = leave_one_out(first, partial)
    rest = np.arange(40) != 5
    np.testing.assert_allclose(
        found[5], smooth_plate(first[rest], second[rest], first[5]), atol=1e-6
    )
    assert np.linalg.norm(found[5] - second[5]) < 5


def test_what_the_volume_lacks_or_too_few_share_is_not_predicted():
    first, second = volumes()
    first[3] = np.nan
    assert np.isnan(leave_one_out(first, second)[3]).all()
    second[4:] = np.nan
    assert np.isnan(leave_one_out(first, second)).all()


def test_places_are_one_to_one():
    p = np.array([[0.8, 0.1, 0.1], [0.7, 0.2, 0.1], [0.0, 0.0, 1.0]])
    places = places_of(p, np.eye(3))
    assert sorted(map(tuple, places)) == [(0.0, 1.0, 0.0), (1.0, 0.0, 0.0)]


def test_a_swap_of_two_neurons_is_undone():
    first, second = volumes()
    p = np.full((40, 41), 1e-3)
    p[range(40), range(40)] = 0.9
    p[[0, 1], [0, 1]], p[[0, 1], [1, 0]] = 0.3, 0.6
    p /= p.sum(axis=1, keepdims=True)
    found = corrected(p, second, first[None], 1.0)
    assert (found[:, :-1].argmax(axis=1) == np.arange(40)).all()
    assert (p[:, :-1].argmax(axis=1)[:2] == [1, 0]).all()


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_without_predictions_or_weight_the_order_of_candidates_stays(share):
    first, second = volumes()
    p = np.random.default_rng(1).dirichlet(np.ones(41), size=40)
    lost = np.full((1, 40, 3), np.nan) if share else first[None]
    found = corrected(p, second, lost, share)
    np.testing.assert_array_equal(found[:, :-1].argmax(axis=1), p[:, :-1].argmax(axis=1))
