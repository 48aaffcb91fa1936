"""Carries the truth from annotated points over to the points that a segmenter found."""

from __future__ import annotations

import dataclasses

from trackbench.benchmarks.metrics.detection import pair_points
from trackbench.core.types import Case, PointCloud, Truth

__all__ = ["carry_truth"]


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
    for row, column in zip(*pair_points(test.zyx_um, case.test.zyx_um), strict=True):
        names[row] = case.truth.names[column]
        left.discard(int(column))
    missed = tuple(case.truth.names[j] for j in sorted(left) if case.truth.names[j])
    truth = Truth(tuple(names), case.truth.complete)
    return dataclasses.replace(case, test=test, truth=truth), missed
