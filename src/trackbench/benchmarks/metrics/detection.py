"""Scores the points that a segmenter found against those that a person or a simulator gave."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from trackbench.core.geometry import FloatArray

__all__ = ["DETECTION_METRICS", "MAX_DISTANCE_UM", "pair_points", "score_detection"]

MAX_DISTANCE_UM: Final = 3.0
"""A detection farther than this from an annotated neuron is another neuron."""

DETECTION_METRICS: Final = MappingProxyType(
    {
        "detection_recall": "share of the given neurons that the segmenter found, within 3 µm",
        "detection_precision": "share of the detections that are given neurons",
        "detection_f1": "harmonic mean of detection recall and precision",
        "splits": "detections too many on a neuron that was found already, per volume",
        "merges": "neurons without a detection beside one that was found, per volume",
        "localisation_um": "mean distance of a detection from its neuron, in µm",
    }
)
"""Name and meaning. What a detection too many costs (precision, F1, splits) is known only where
every neuron of the volume is given."""


def pair_points(
    found_um: FloatArray, given_um: FloatArray
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Pair detections and given neurons one to one.

    The sum of (3 µm - distance) over the pairs is the largest possible.

    Parameters
    ----------
    found_um, given_um : (n, 3), (m, 3) arrays

    Returns
    -------
    rows, columns : (k,) arrays of int
        Of `found_um` and of `given_um`; every pair is nearer than 3 µm.
    """
    gain = np.maximum(MAX_DISTANCE_UM - cdist(found_um, given_um), 0)
    rows, columns = linear_sum_assignment(gain, maximize=True)
    near = gain[rows, columns] > 0
    return rows[near], columns[near]


def score_detection(
    found_um: FloatArray, given_um: FloatArray, *, complete: bool
) -> Mapping[str, float | None]:
    """Score one volume.

    Parameters
    ----------
    found_um, given_um : (n, 3), (m, 3) arrays
    complete : bool
        Whether every neuron of the volume is given.

    Returns
    -------
    mapping of str to (float or None)
        By the names of `DETECTION_METRICS`; None where the volume doesn't tell.
    """
    rows, columns = pair_points(found_um, given_um)
    n_pairs, n_found, n_given = len(rows), len(found_um), len(given_um)
    error = np.linalg.norm(found_um[rows] - given_um[columns], axis=1)
    merges = _beside(np.delete(given_um, columns, axis=0), found_um[rows])
    scores: dict[str, float | None] = {
        "detection_recall": n_pairs / n_given if n_given else None,
        "detection_precision": None,
        "detection_f1": None,
        "splits": None,
        "merges": float(merges),
        "localisation_um": float(error.mean()) if n_pairs else None,
    }
    if complete and n_found + n_given:
        scores["detection_precision"] = n_pairs / n_found if n_found else None
        scores["detection_f1"] = 2 * n_pairs / (n_found + n_given)
        scores["splits"] = float(_beside(np.delete(found_um, rows, axis=0), given_um[columns]))
    return scores


def _beside(left_over_um: FloatArray, paired_um: FloatArray) -> int:
    """Count points left over that lie within 3 µm of one that is in a pair."""
    if not len(left_over_um) or not len(paired_um):
        return 0
    return int((cdist(left_over_um, paired_um).min(axis=1) < MAX_DISTANCE_UM).sum())
