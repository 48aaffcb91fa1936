"""The one-to-one assignment: rules, invariances, ties with brute force."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.optimize import linear_sum_assignment

from trackbench.core.assignment import LEAST, assign, pair_marginals, row_argmax


def normalised(scores):
    scores = np.asarray(scores, dtype=float)
    return scores - np.log(np.exp(scores).sum(axis=1, keepdims=True))


def tables(largest):
    return st.tuples(st.integers(1, largest), st.integers(0, largest)).flatmap(
        lambda shape: arrays(np.float64, (shape[0], shape[1] + 1), elements=st.floats(-8, 8))
    )


TABLES = tables(7)


def enumerated(log_p):
    """Marginals by summing over all partial matchings, weight = product of the odds."""
    odds = np.exp(log_p[:, :-1] - log_p[:, -1:])
    m, k = odds.shape
    total, marginals = 0.0, np.zeros((m, k))
    for columns in itertools.product(range(-1, k), repeat=m):
        used = [j for j in columns if j >= 0]
        if len(used) != len(set(used)):
            continue
        weight = np.prod([odds[i, j] for i, j in enumerate(columns) if j >= 0])
        total += weight
        for i, j in enumerate(columns):
            if j >= 0:
                marginals[i, j] += weight
    return marginals / total


@given(TABLES)
def test_is_one_to_one(scores):
    column = assign(normalised(scores))
    taken = column[column >= 0]
    assert len(taken) == len(set(taken))
    assert column.max(initial=-1) < scores.shape[1] - 1


@given(tables(3))
def test_maximises_the_expected_number_of_right_pairs(scores):
    marginals = pair_marginals(normalised(scores))
    column = assign(normalised(scores))
    rows = np.flatnonzero(column >= 0)
    m, k = marginals.shape
    wide = np.hstack([marginals, np.zeros((m, m))])
    best = max(
        wide[np.arange(m), list(some)].sum() for some in itertools.permutations(range(k + m), m)
    )
    assert marginals[rows, column[rows]].sum() >= best - m * LEAST - 1e-9


@given(st.integers(0, 2**32 - 1), st.integers(1, 40), st.integers(6, 40), st.floats(0, 1))
def test_few_possible_pairs_are_assigned_as_a_whole_table_is(seed, m, k, doubt):
    """What is left out of a sure table, and what is settled beforehand, changes no assignment."""
    rng = np.random.default_rng(seed)
    scores = np.full((m, k + 1), -40.0)
    scores[np.arange(m), rng.integers(0, k, m)] = rng.normal(0, 3, m)
    scores[rng.random((m, k + 1)) < 0.15 * doubt] = rng.normal(0, 3)
    scores[:, -1] = rng.normal(-3, 3, m)
    marginals = pair_marginals(scores)
    column = assign(scores)
    rows = np.flatnonzero(column >= 0)
    i, j = linear_sum_assignment(marginals, maximize=True)
    best = np.where(marginals[i, j] > LEAST, marginals[i, j], 0).sum()
    assert marginals[rows, column[rows]].sum() == pytest.approx(best, abs=1e-7)
    assert (marginals[rows, column[rows]] > LEAST).all()


@given(st.integers(0, 2**32 - 1), st.integers(2, 20))
def test_rows_that_are_alike_do_not_share_a_column(seed, m):
    rng = np.random.default_rng(seed)
    scores = np.full((m, m + 1), -40.0)
    scores[np.arange(m), np.arange(m)] = rng.normal(0, 2, m)
    scores[:, -1] = rng.normal(-2, 2, m)
    scores[1] = scores[0]
    taken = [column for column in assign(scores) if column >= 0]
    assert len(taken) == len(set(taken))


@given(TABLES, st.randoms(use_true_random=False))
def test_marginals_follow_permutations(scores, random):
    log_p = normalised(scores)
    m, k = log_p.shape[0], log_p.shape[1] - 1
    rows, columns = random.sample(range(m), m), random.sample(range(k), k)
    moved = pair_marginals(log_p[rows][:, [*columns, k]])
    np.testing.assert_allclose(moved, pair_marginals(log_p)[rows][:, columns], rtol=1e-9)


def test_assignment_follows_permutations():
    rng = np.random.default_rng(5)
    log_p = normalised(rng.normal(0, 3, (30, 36)))
    rows, columns = rng.permutation(30), rng.permutation(35)
    back = np.append(columns, -1)
    np.testing.assert_array_equal(back[assign(log_p[rows][:, [*columns, 35]])], assign(log_p)[rows])


@pytest.mark.parametrize("seed", range(5))
def test_marginals_are_close_to_an_enumeration(seed):
    log_p = normalised(np.random.default_rng(seed).normal(0, 1.5, (4, 5)))
    assert np.abs(pair_marginals(log_p) - enumerated(log_p)).max() < 0.05


@given(TABLES)
def test_marginals_of_a_row_are_probabilities(scores):
    marginals = pair_marginals(normalised(scores))
    assert (marginals >= 0).all()
    assert (marginals.sum(axis=1) <= 1 + 1e-9).all()


def test_competition_sends_a_loser_to_its_second_choice():
    log_p = np.log([[0.90, 0.05, 0.05], [0.80, 0.15, 0.05]])
    assert row_argmax(log_p).tolist() == [0, 0]
    assert assign(log_p).tolist() == [0, 1]


def test_a_hopeless_row_does_not_push_a_good_one_out():
    """The likelihood would be larger if both rows made do; one right pair is worth more."""
    log_p = np.log([[0.98, 0.0199, 0.0001], [0.9, 1e-7, 0.0999999]])
    assert assign(log_p).tolist() == [0, -1]


def test_an_improbable_pair_is_not_made():
    assert assign(np.log([[LEAST / 2, 1 - LEAST / 2]])).tolist() == [-1]
    assert assign(np.log([[LEAST * 2, 1 - LEAST * 2]])).tolist() == [0]


def test_permutation_of_certain_pairs_is_found():
    order = np.random.default_rng(0).permutation(150)
    p = np.full((150, 151), 1e-6)
    p[np.arange(150), order] = 1
    np.testing.assert_array_equal(assign(np.log(p / p.sum(axis=1, keepdims=True))), order)


@pytest.mark.parametrize("shape", [(0, 4), (0, 1), (3, 1)])
def test_empty_sides_stay_alone(shape):
    assert (assign(np.zeros(shape)) == -1).all()
    assert len(assign(np.zeros(shape))) == shape[0]


def test_minus_infinity_is_allowed():
    log_p = np.array([[-np.inf, 0.0, -np.inf], [-np.inf, -np.inf, 0.0]])
    assert assign(log_p).tolist() == [1, -1]


def test_row_argmax_knows_none():
    assert row_argmax(np.log([[0.1, 0.2, 0.7], [0.6, 0.3, 0.1]])).tolist() == [-1, 0]
