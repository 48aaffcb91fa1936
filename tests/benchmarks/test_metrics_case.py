"""Each metric on a prediction small enough to count by hand."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trackbench.benchmarks.metrics import METRICS
from trackbench.benchmarks.metrics.case import score_case
from trackbench.benchmarks.metrics.detection import DETECTION_METRICS
from trackbench.benchmarks.record import Prediction

BY_HAND = Prediction(
    truth=("A", "B", "C", "", "X"),
    name=("A", "C", "", "D", "Y"),
    probability=(0.9, 0.6, 0.0, 0.5, 0.8),
    argmax=("A", "B", "C", "", "X"),
    top=(("A", "B"), ("C", "D", "B"), ("?1", "D", "B", "C"), ("D",), ("Y", "Z", "?2", "A", "B")),
    log_p_true=(math.log(0.9), math.log(0.1), -100.0, None, None),
    in_template=(True, True, True, False, False),
)


def test_pairs_count_neurons_named_in_both():
    values = score_case(BY_HAND, "m_pair").values
    assert values["m_pair"] == pytest.approx(1 / 3)
    assert values["m_pair_argmax"] == 1.0
    assert values["top3"] == pytest.approx(2 / 3)
    assert values["top5"] == 1.0


def test_tests_count_names_that_no_template_has_as_wrong():
    values = score_case(BY_HAND, "m_test").values
    assert values["m_test"] == pytest.approx(1 / 4)
    assert values["m_test_argmax"] == 1.0
    assert values["top3"] == pytest.approx(2 / 4)
    assert values["top5"] == pytest.approx(3 / 4)


def test_both_denominators_are_there_whatever_the_headline():
    one, other = (score_case(BY_HAND, name).values for name in ("m_pair", "m_test"))
    for metric in ("m_pair", "m_test", "m_pair_argmax", "m_test_argmax", "m_all"):
        assert one[metric] == other[metric]


def test_m_all_counts_blank_as_a_class():
    blank = Prediction(("A", "", ""), ("A", "", "B"), (1.0, 0.0, 1.0), ("A", "", "B"),
                       ((), (), ()), (0.0, None, None), (True, False, False))  # fmt: skip
    assert score_case(blank, "m_pair").values["m_all"] == pytest.approx(2 / 3)


def test_nll_is_floored_and_leaves_out_names_that_are_no_candidates():
    nll = score_case(BY_HAND, "m_test").values["nll"]
    assert nll == pytest.approx(-(math.log(0.9) + math.log(0.1) + math.log(1e-6)) / 3)


def test_coverage_takes_the_most_confident_first():
    values = score_case(BY_HAND, "m_test").values
    assert values["coverage50"] == 0.5  # A right (.9), X wrong (.8)
    assert values["coverage100"] == values["m_test"]


def test_calibration_bins_count_names_given():
    count, confidence, right = score_case(BY_HAND, "m_test").ece_bins
    assert count.sum() == 3
    assert confidence.sum() == pytest.approx(0.9 + 0.6 + 0.8)
    assert right.tolist() == [0, 0, 0, 0, 0, 0, 0, 0, 0, 1]


def test_a_case_without_names_has_no_value():
    nothing = Prediction(("", ""), ("A", ""), (1.0, 0.0), ("A", ""), ((), ()), (None, None),
                         (False, False))  # fmt: skip
    scores = score_case(nothing, "m_pair")
    assert scores.values["m_pair"] is None
    assert scores.values["nll"] is None
    assert scores.values["coverage50"] is None
    assert scores.n_scored == 0


def test_an_empty_case_has_no_value():
    scores = score_case(Prediction((), (), (), (), (), (), ()), "m_test")
    assert set(scores.values.values()) == {None}


def test_every_named_metric_is_scored():
    named = set(score_case(BY_HAND, "m_pair").values)
    assert set(METRICS) - {"ece"} == named | set(DETECTION_METRICS)


neurons = st.lists(
    st.tuples(
        st.sampled_from(["", "A", "B", "C"]),
        st.sampled_from(["", "A", "B", "C"]),
        st.floats(0, 1, width=32),
        st.booleans(),
    ),
    min_size=1,
    max_size=12,
)


def _prediction(rows):
    truth, name, probability, known = (tuple(column) for column in zip(*rows, strict=True))
    top = tuple((item,) if item else () for item in name)
    return Prediction(truth, name, probability, name, top, (None,) * len(rows), known)


@given(neurons, st.randoms(use_true_random=False))
def test_the_order_of_neurons_does_not_matter(rows, random):
    shuffled = list(rows)
    random.shuffle(shuffled)
    one, other = (score_case(_prediction(item), "m_test") for item in (rows, shuffled))
    for metric in ("m_pair", "m_test", "top3", "m_all", "coverage100"):
        assert one.values[metric] == pytest.approx(other.values[metric])
    np.testing.assert_allclose(one.ece_bins, other.ece_bins, atol=1e-9)


@given(neurons)
def test_shares_lie_between_0_and_1(rows):
    values = score_case(_prediction(rows), "m_pair").values
    assert all(value is None or 0 <= value <= 1 for value in values.values())
