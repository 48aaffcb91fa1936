"""Scores to probabilities, and the template bent onto the test."""

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from trackbench.core.evidence import normalise_rows
from trackbench.core.seeds import generator
from trackbench.plugins.fdnc.normalise import certainty, log_posterior, normalised, shifted
from trackbench.plugins.fdnc.refine import Refinement, bendable, refined


def table(pairs, test_alone, template_alone):
    """Scores as the matcher makes them."""
    rows = np.column_stack([np.asarray(pairs, np.float32), np.asarray(test_alone, np.float32)])
    return shifted(rows.astype(np.float32), np.asarray(template_alone, np.float32))


def test_both_directions_have_a_say():
    """A column that another row wants more is less probable than by the row alone."""
    p = np.exp(log_posterior(table([[3.0, 3.0], [-9.0, 6.0]], [-9.0, -9.0], [-9.0, -9.0])))
    np.testing.assert_allclose(p.sum(axis=1), 1, atol=1e-5)
    assert p[0, 0] > 0.75
    assert p[1, 1] > 0.95


def random_scores(seed, m=5, n=4):
    rng = generator("fdnc scores", seed)
    return 5 * rng.normal(size=(m, n)), 5 * rng.normal(size=m), 5 * rng.normal(size=n)


@pytest.mark.parametrize("seed", range(5))
def test_the_posterior_is_the_geometric_mean_of_both_directions(seed):
    pairs, test_alone, template_alone = random_scores(seed)
    rows = normalise_rows(np.column_stack([pairs, test_alone]))
    columns = normalise_rows(np.vstack([pairs, template_alone]).T).T
    both = np.column_stack([0.5 * (rows[:, :-1] + columns[:-1]), rows[:, -1]])
    scores = table(pairs, test_alone, template_alone)
    found = log_posterior(scores)
    np.testing.assert_allclose(found, normalise_rows(both), atol=1e-4)
    parts = normalised(scores)
    pairs_p = parts.exponential * parts.rows[:, None] * parts.columns
    np.testing.assert_allclose(pairs_p[:-1, :-1], np.exp(found[:, :-1]), atol=1e-5)
    np.testing.assert_allclose(parts.none[:-1], np.exp(found[:, -1]), atol=1e-5)
    assert certainty(scores) == pytest.approx(np.exp(found[:, :-1]).max(axis=1).mean(), rel=1e-4)
    np.testing.assert_array_equal(parts.best(), found[:, :-1].argmax(axis=1))


def test_scores_far_apart_leave_the_posterior_finite():
    p = log_posterior(table([[300.0, -4000.0], [-4000.0, -4000.0]], [-900.0] * 2, [-900.0] * 2))
    assert np.isfinite(p).all()
    assert p[0].argmax() == 0
    assert p[1].argmax() == 2


def bent_pair(noise):
    """A template, a test that is its bent image (plus noise), and scores with two exchanged."""
    rng = generator("fdnc bent pair")
    template = (rng.normal(size=(30, 3)) * [8.0, 10.0, 30.0]).astype(np.float32)
    test = template + 6 * np.square(template[:, 2:] / 30) * [0.0, 1.0, 0.0]
    test = (test + noise * rng.normal(size=test.shape)).astype(np.float32)
    apart = cdist(template, template)
    pairs = 6 - 0.2 * np.minimum(np.square(apart), 60)
    first, second = 4, int(apart[4].argsort()[1])
    pairs[[first, second]] = pairs[[second, first]]
    none = np.full(30, -6.0)
    return template, test, table(pairs, none, none), (first, second)


def refine(template, test, scores, rounds=4):
    settings = Refinement(rounds, start_um=4.0, end_um=1.5, limit_um=1.4, prior=0.2)
    return refined(scores, test, bendable(template), settings)


def test_refinement_puts_exchanged_neighbours_of_a_bent_worm_right():
    template, test, scores, (first, second) = bent_pair(noise=0.2)
    assert scores[first, :-1].argmax() == second
    better = refine(template, test, scores)
    np.testing.assert_array_equal(better.scores[:-1, :-1].argmax(axis=1), np.arange(30))
    assert better.residual_um < 0.5


def test_refinement_leaves_two_animals_to_the_network():
    template, test, scores, _ = bent_pair(noise=6.0)
    after = refine(template, test, scores)
    wanted, refined_p = (np.exp(log_posterior(own)) for own in (scores, after.scores))
    np.testing.assert_allclose(refined_p, wanted, atol=0.02)
    assert refine(template, test, scores, rounds=0).scores is scores


def test_refinement_takes_neurons_in_any_order():
    template, test, scores, _ = bent_pair(noise=0.4)
    rng = generator("fdnc refinement order")
    rows, columns = np.append(rng.permutation(30), 30), np.append(rng.permutation(30), 30)
    before = refine(template, test, scores).scores
    after = refine(template[columns[:-1]], test[rows[:-1]], scores[rows][:, columns]).scores
    np.testing.assert_allclose(after[:-1], before[rows][:-1, columns], atol=2e-2)
