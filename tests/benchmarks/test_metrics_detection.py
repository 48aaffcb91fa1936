"""Detection metrics on point sets small enough to count by hand."""

import numpy as np
import pytest

from trackbench.benchmarks.metrics import HIGHER_IS_BETTER, METRICS
from trackbench.benchmarks.metrics.detection import (
    DETECTION_METRICS,
    pair_points,
    score_detection,
)

GIVEN = np.array([[0, 0, 0], [0, 0, 10], [0, 0, 20], [0, 0, 22.0], [0, 0, 40]])
FOUND = np.array(
    [
        [0, 0, 0.5],  # the first, 0.5 µm off
        [0, 1, 10.0],  # the second, 1 µm off
        [0, 0, 11.5],  # the second again: a split
        [0, 0, 21.0],  # one for two: a merge
        [0, 0, 60.0],  # nobody
    ]
)


def test_every_score_by_hand():
    scores = score_detection(FOUND, GIVEN, complete=True)
    assert set(scores) == set(DETECTION_METRICS)
    assert scores["detection_recall"] == pytest.approx(3 / 5)
    assert scores["detection_precision"] == pytest.approx(3 / 5)
    assert scores["detection_f1"] == pytest.approx(3 / 5)
    assert scores["splits"] == 1
    assert scores["merges"] == 1
    assert scores["localisation_um"] == pytest.approx((0.5 + 1 + 1) / 3)


def test_an_incomplete_annotation_says_nothing_of_detections_too_many():
    scores = score_detection(FOUND, GIVEN, complete=False)
    assert [scores[name] for name in ("detection_precision", "detection_f1", "splits")] == [
        None
    ] * 3
    assert scores["detection_recall"] == pytest.approx(3 / 5)
    assert scores["merges"] == 1


def test_pairing_is_one_to_one_and_best_in_total():
    found = np.array([[0, 0, 1.0], [0, 0, 3.0]])
    given = np.array([[0, 0, 2.0], [0, 0, 4.5]])
    rows, columns = pair_points(found, given)
    assert list(zip(rows, columns, strict=True)) == [(0, 0), (1, 1)]


def test_three_micrometres_are_too_far():
    rows, _ = pair_points(np.zeros((1, 3)), np.array([[0, 0, 3.0]]))
    assert len(rows) == 0


def test_nothing_found_and_nothing_given():
    nothing = np.zeros((0, 3))
    missed = score_detection(nothing, GIVEN, complete=True)
    assert missed["detection_recall"] == 0
    assert missed["detection_f1"] == 0
    assert missed["detection_precision"] is None
    assert missed["localisation_um"] is None
    assert missed["merges"] == 0
    spurious = score_detection(FOUND, nothing, complete=True)
    assert spurious["detection_recall"] is None
    assert spurious["detection_precision"] == 0
    assert score_detection(nothing, nothing, complete=True)["detection_f1"] is None


def test_they_are_metrics_like_any_other():
    assert set(DETECTION_METRICS) <= set(METRICS)
    assert {"detection_f1", "detection_recall"} <= HIGHER_IS_BETTER
    assert not {"splits", "merges", "localisation_um"} & HIGHER_IS_BETTER
