"""Means over cases, intervals over animals."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trackbench.benchmarks.metrics.case import ECE_BINS, CaseScores
from trackbench.benchmarks.metrics.intervals import RESAMPLES, resampled_counts
from trackbench.benchmarks.metrics.summary import summarise


def scores(value, bins=None):
    return CaseScores({"m_pair": value}, np.zeros((3, ECE_BINS)) if bins is None else bins, 1)


def only(metric, found):
    return next(item for item in found if item.metric == metric)


def test_the_mean_is_over_cases():
    found = summarise([scores(1.0), scores(1.0), scores(0.0)], ["a", "a", "b"])
    assert only("m_pair", found).mean == pytest.approx(2 / 3)
    assert only("m_pair", found).n_cases == 3


def test_an_animal_is_drawn_with_all_of_its_cases():
    """Two animals, one all right and one all wrong: a draw is 0, .5 or 1, never between."""
    cases = [scores(1.0)] * 50 + [scores(0.0)] * 50
    by_animal = only("m_pair", summarise(cases, ["a"] * 50 + ["b"] * 50))
    by_case = only("m_pair", summarise(cases, [str(i) for i in range(100)]))
    assert (by_animal.low, by_animal.high) == (0.0, 1.0)
    assert 0.38 < by_case.low < 0.43
    assert 0.57 < by_case.high < 0.62


def test_the_interval_covers_the_mean_of_a_normal_sample_as_often_as_it_says():
    rng = np.random.default_rng(0)
    hits = 0
    for _ in range(60):
        values = rng.normal(0.5, 0.1, 30)
        found = only("m_pair", summarise([scores(v) for v in values], list(map(str, range(30)))))
        hits += found.low <= 0.5 <= found.high
    assert 51 <= hits <= 60


def test_cases_without_a_value_are_left_out():
    found = summarise([scores(None), scores(0.5)], ["a", "b"])
    assert only("m_pair", found).mean == 0.5
    assert only("m_pair", found).n_cases == 1


def test_nothing_gives_nothing():
    assert summarise([], []) == []
    assert summarise([scores(None)], ["a"]) == []


def test_calibration_error_is_pooled_over_cases():
    """Nine of ten right at .9 is calibrated, though no single case looks so."""
    cases = []
    for i in range(10):
        bins = np.zeros((3, ECE_BINS))
        bins[:, 9] = 1, 0.9, float(i < 9)
        cases.append(scores(1.0, bins))
    assert only("ece", summarise(cases, list(map(str, range(10))))).mean == pytest.approx(0)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20))
@settings(max_examples=25, deadline=None)
def test_the_interval_holds_within_the_range_and_repeats(values):
    units = [str(i) for i in range(len(values))]
    one = only("m_pair", summarise([scores(v) for v in values], units))
    again = only("m_pair", summarise([scores(v) for v in values], units))
    assert one == again
    assert min(values) - 1e-9 <= one.low <= one.high <= max(values) + 1e-9


@pytest.mark.parametrize("n", [1, 7, 3000])
def test_every_resample_draws_as_many_units_as_there_are(n):
    blocks = list(resampled_counts(n))
    assert sum(len(block) for block in blocks) == RESAMPLES
    assert all((block.sum(axis=1) == n).all() for block in blocks)
