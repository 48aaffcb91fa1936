"""The native refinement and normalisation give what the portable ones give."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trackbench.core.seeds import generator
from trackbench.plugins.fdnc import native_refine as native
from trackbench.plugins.fdnc import normalise, refine
from trackbench.plugins.fdnc.kernels import library, why_absent
from trackbench.plugins.fdnc.refine import Refinement, bendable

pytestmark = pytest.mark.skipif(library() is None, reason=f"no native kernels: {why_absent()}")

SPREAD_UM = np.array([8.0, 10.0, 30.0])
SETTINGS = Refinement(7, start_um=4.0, end_um=1.3, limit_um=1.38, prior=0.1)
COUNTS = st.integers(4, 70)
SEEDS = st.integers(0, 2**32)


def clouds(m, n, seed, noise_um=0.5):
    """A template; a test that shows as many of its neurons as it can, bent; who they are."""
    rng = generator("fdnc native clouds", seed)
    template, test = (SPREAD_UM * rng.normal(size=(count, 3)) for count in (n, m))
    rows, columns = (rng.permutation(count)[: min(m, n)] for count in (m, n))
    bent = template + 6 * np.square(template[:, 2:] / 30) * [0.0, 1.0, 0.0]
    test[rows] = bent[columns] + noise_um * rng.normal(size=(len(rows), 3))
    return template.astype(np.float32), test.astype(np.float32), (rows, columns)


def raw_scores(m, n, seed, pairs=None, spread=2.0):
    """A table (m, n + 1) and scores (n,) of having no partner, as the network gives them."""
    rng = generator("fdnc native scores", seed)
    table = spread * rng.normal(size=(m, n + 1)) - 9
    table[:, -1] = spread * rng.normal(size=m) - 6
    if pairs is not None:
        table[pairs] += 8
    return table.astype(np.float32), (spread * rng.normal(size=n) - 6).astype(np.float32)


def case(m, n, seed, noise_um=0.5):
    """Scores of a test, its points, the template."""
    template, test, pairs = clouds(m, n, seed, noise_um)
    return normalise.shifted(*raw_scores(m, n, seed, pairs)), test, bendable(template)


def assert_same(found, wanted):
    """Scores where they matter; the portable residual is a small difference of large numbers."""
    matters = wanted.scores > -20
    np.testing.assert_allclose(found.scores[matters], wanted.scores[matters], atol=3e-2)
    assert (found.scores[~matters] < -19.9).all()
    assert found.residual_um**2 == pytest.approx(wanted.residual_um**2, rel=1e-3, abs=1e-3)


@settings(deadline=None)
@given(COUNTS, COUNTS, SEEDS, st.sampled_from([1.0, 30.0, 1e4]))
def test_normalisation_is_the_portable_one(m, n, seed, spread):
    table, alone = raw_scores(m, n, seed, spread=spread)
    scores = native.shifted(table, alone)
    np.testing.assert_array_equal(scores, normalise.shifted(table, alone))
    found = native.log_posterior(scores)
    assert np.isfinite(found).all()
    np.testing.assert_allclose(found, normalise.log_posterior(scores), rtol=1e-6, atol=2e-5)
    np.testing.assert_allclose(np.exp(found).sum(axis=1), 1, atol=1e-5)
    assert native.certainty(scores) == pytest.approx(normalise.certainty(scores), rel=1e-5)


@settings(deadline=None)
@given(
    COUNTS,
    COUNTS,
    SEEDS,
    st.sampled_from([0.2, 0.6, 2.0, 6.0]),
    st.builds(
        Refinement,
        rounds=st.integers(1, 8),
        start_um=st.floats(2.0, 8.0),
        end_um=st.floats(0.7, 2.0),
        # clear of every residual: at the limit the last digits of a residual make a difference
        limit_um=st.sampled_from([-1.0, 50.0]),
        prior=st.floats(0.0, 1.0),
    ),
)
def test_refinement_is_the_portable_one(m, n, seed, noise_um, chosen):
    own = case(m, n, seed, noise_um)
    assert_same(native.refined(*own, chosen), refine.refined(*own, chosen))


@pytest.mark.parametrize("excess_um", [-0.06, -0.03, 0.0, 0.03, 0.06])
def test_at_the_limit_a_part_of_the_scores_is_kept(excess_um):
    own = case(60, 60, seed=3)

    def at_the_limit(refined):
        residual_um = refined(*own, SETTINGS).residual_um
        return refined(*own, replace(SETTINGS, limit_um=residual_um - excess_um))

    assert_same(at_the_limit(native.refined), at_the_limit(refine.refined))


@pytest.mark.parametrize(("m", "n"), [(5, 700), (700, 5), (300, 290), (2000, 40)])
def test_large_and_unequal_clouds(m, n):
    own = case(m, n, seed=m)
    chosen = replace(SETTINGS, limit_um=50.0)
    found = native.refined(*own, chosen)
    assert_same(found, refine.refined(*own, chosen))
    table = native.log_posterior(found.scores)
    np.testing.assert_allclose(table, normalise.log_posterior(found.scores), rtol=1e-6, atol=3e-5)


def test_no_rounds_leave_the_scores_as_they_are():
    scores, test, template = case(20, 20, seed=0)
    found = native.refined(scores, test, template, replace(SETTINGS, rounds=0))
    assert found.scores is scores
    assert found.residual_um == np.inf


def test_rows_in_another_order_give_the_result_in_that_order():
    scores, test, template = case(45, 38, seed=1)
    order = generator("fdnc native order").permutation(45)
    moved = scores[np.append(order, 45)]
    one, other = (
        native.refined(own, points, template, SETTINGS)
        for own, points in ((scores, test), (moved, test[order]))
    )
    np.testing.assert_allclose(other.scores[:-1], one.scores[order], rtol=1e-6, atol=5e-3)
    before, after = native.log_posterior(scores), native.log_posterior(moved)
    np.testing.assert_allclose(after, before[order], rtol=1e-6, atol=1e-5)
    alone = scores[-1, :-1]
    np.testing.assert_array_equal(native.shifted(moved[:-1], alone)[:-1], scores[order])


@pytest.mark.parametrize("threads", [-1, 0, 1, 2, 5, 1000])
def test_a_test_gets_the_same_numbers_in_any_company(threads):
    template = case(4, 33, seed=0)[2]
    sizes = (4, 70, 16, 31, 17, 48, 5)
    tests = [case(m, 33, seed=0)[:2] for m in sizes]
    together = native.refined_all(tests, template, SETTINGS, threads)
    tables = native.log_posteriors([found.scores for found in together], threads)
    for (scores, points), found, table in zip(tests, together, tables, strict=True):
        alone = native.refined(scores, points, template, SETTINGS)
        np.testing.assert_array_equal(found.scores, alone.scores)
        assert found.residual_um == alone.residual_um
        np.testing.assert_array_equal(table, native.log_posterior(alone.scores))
    raw = [raw_scores(m, 33, seed=m)[0] for m in sizes]
    alone = raw_scores(4, 33, seed=0)[1]
    for own, scores in zip(raw, native.shifted_all(raw, alone, threads), strict=True):
        np.testing.assert_array_equal(scores, normalise.shifted(own, alone))


def test_nothing_to_do_gives_nothing():
    template = case(4, 33, seed=0)[2]
    assert native.refined_all([], template, SETTINGS) == []
    assert native.log_posteriors([]) == []
    assert native.shifted_all([], np.zeros(3, dtype=np.float32)) == []


def harsh_cases():
    scores, test, template = case(37, 30, seed=2)
    low = scores.copy()
    low[:-1, :-1] = -1e4
    yield "no pair is possible", low, test, template
    lone = scores.copy()
    lone[5, :-1], lone[:-1, 7] = -1e4, -1e4
    yield "a neuron on either side has no partner", lone, test, template
    yield "the clouds lie far apart", scores, test + np.float32(1e4), template
    yield "all points lie in one place", scores, 0 * test, bendable(0 * template.zyx_um)
    yield "all scores are very low", scores - 1e3, test, template
    yield "all scores are very high", scores + 1e3, test, template
    never = scores.copy()
    never[:, -1], never[-1], never[3] = -1e4, -1e4, -1e4
    yield "no sum of exponentials is kept from being 0", never, test, template


@pytest.mark.parametrize(
    "widths", [(4.0, 1.3), (0.3, 0.01), (50.0, 1e-6), (1e-6, 50.0), (1e-30, 1e-30)]
)
@pytest.mark.parametrize("own", list(harsh_cases()), ids=lambda own: own[0])
def test_whatever_is_finite_stays_finite(own, widths):
    """With the narrowest widths the equations have no solution in float32."""
    _, scores, test, template = own
    chosen = replace(SETTINGS, start_um=widths[0], end_um=widths[1])
    found = native.refined(scores, test, template, chosen)
    assert np.isfinite(found.scores).all()
    assert np.isfinite(found.residual_um)
    for table in (found.scores, scores):
        assert np.isfinite(native.log_posterior(table)).all()
        assert 0 <= native.certainty(table) <= 1 + 1e-5


def test_other_types_and_memory_orders_are_taken_and_kept():
    scores, test, template = case(20, 25, seed=4)
    wide = np.zeros((21, 40), dtype=np.float32)
    wide[:, :26] = scores
    wanted = native.refined(scores, test, template, SETTINGS)
    for own, points in (
        (wide[:, :26], np.asfortranarray(test)),
        (scores.astype(np.float64), test.astype(np.float64)),
    ):
        before = own.copy(), points.copy()
        found = native.refined(own, points, template, SETTINGS)
        np.testing.assert_array_equal(found.scores, wanted.scores)
        np.testing.assert_array_equal(own, before[0])
        np.testing.assert_array_equal(points, before[1])
        np.testing.assert_array_equal(native.log_posterior(own), native.log_posterior(scores))
    alone = scores[-1, :-1]
    for rows in (wide[:20, :26], wide[:20, :26][::-1], np.asfortranarray(scores[:20])):
        np.testing.assert_array_equal(
            native.shifted(rows, alone), normalise.shifted(rows.copy(), alone)
        )


def test_a_test_without_a_neuron_has_a_table_without_a_row():
    alone = np.array([-3.0, -2.0], dtype=np.float32)
    none = np.zeros((0, 3), dtype=np.float32)
    np.testing.assert_array_equal(native.shifted(none, alone), normalise.shifted(none, alone))


@pytest.mark.parametrize(
    ("scores", "points"),
    [
        ((21, 26), (19, 3)),
        ((21, 26), (20, 2)),
        ((21, 27), (20, 3)),
        ((21,), (20, 3)),
        ((1, 26), (0, 3)),
        ((21, 0), (20, 3)),
    ],
)
def test_shapes_that_do_not_belong_together_are_refused(scores, points):
    template = case(20, 25, seed=4)[2]
    own, test = np.zeros(scores, dtype=np.float32), np.zeros(points, dtype=np.float32)
    with pytest.raises(ValueError, match=r"shape|columns"):
        native.refined(own, test, template, SETTINGS)


def test_a_template_of_other_shapes_is_refused():
    scores, test, template = case(20, 25, seed=4)
    short = replace(template, zyx_um=template.zyx_um[:-1])
    wide = replace(template, turned=np.vstack([template.turned] * 2))
    with pytest.raises(ValueError, match="shape"):
        native.refined(scores, test, short, SETTINGS)
    with pytest.raises(ValueError, match="basis functions"):
        native.refined(scores, test, wide, SETTINGS)


@pytest.mark.parametrize("shape", [(20,), (20, 25), (2, 20, 26)])
def test_tables_that_do_not_fit_the_template_are_refused(shape):
    with pytest.raises(ValueError, match="shape"):
        native.shifted(np.zeros(shape, dtype=np.float32), np.zeros(25, dtype=np.float32))


def test_scores_without_a_neuron_are_refused():
    for shape in ((1, 26), (21, 1), (26,)):
        with pytest.raises(ValueError, match="shape"):
            native.log_posterior(np.zeros(shape, dtype=np.float32))
        with pytest.raises(ValueError, match="shape"):
            native.certainty(np.zeros(shape, dtype=np.float32))
