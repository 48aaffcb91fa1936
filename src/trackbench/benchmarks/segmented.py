"""Carries the truth from annotated points over to the points that a segmenter found."""

from __future__ import annotations

import dataclasses
from typing import Final

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist

from trackbench.core.types import Case, PointCloud, Truth

__all__ = ["MAX_DISTANCE_UM", "carry_truth"]

MAX_DISTANCE_UM: Final = 3.0
"""A detection farther than this from an annotated neuron is another neuron."""


def carry_truth(case: Case, found: PointCloud) -> tuple[Case, tuple[str, ...]]:
    """Make the case that a matcher sees when its points come from a segmenter.

    Detections and annotated neurons are paired one to one so that the sum of
    (3 µm - distance) is largest. A detection without a partner is unlabeled.

    Parameters
    ----------
    case : Case
        With the annotated points as its test.
    found : PointCloud
        The detections, in the same frame.

    Returns
    -------
    case : Case
        The same case with the detections as its test.
    missed : tuple of str
        True names of neurons that were not detected: each counts as wrong.
    """
    test = dataclasses.replace(
        found, id=case.test.id, animal=case.test.animal, mirrored=case.test.mirrored, names=None
    )
    names = [""] * len(test)
    left = set(range(len(case.test)))
    gain = np.maximum(MAX_DISTANCE_UM - cdist(test.zyx_um, case.test.zyx_um), 0)
    for row, column in zip(*linear_sum_assignment(gain, maximize=True), strict=True):
        if gain[row, column] > 0:
            names[row] = case.truth.names[column]
            left.discard(int(column))
    missed = tuple(case.truth.names[j] for j in sorted(left) if case.truth.names[j])
    truth = Truth(tuple(names), case.truth.complete)
    return dataclasses.replace(case, test=test, truth=truth), missed
