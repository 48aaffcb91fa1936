"""Targeted augmentation: labelled frames deformed towards frames that nobody labelled.

The network's own, imperfect answer on a target frame says how the nearest labelled frame must be
deformed to look like it. Image and labels are warped together, so that the new pair is right by
construction, even where the estimated deformation is only roughly so (Park et al. 2023).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from scipy.ndimage import gaussian_filter

from trackbench.core.deformation import fit_in_plane, fit_soft, part_way, sampling_grid, warp
from trackbench.plugins.tacnn.augment import Sample
from trackbench.plugins.tacnn.decode import find_neurons, find_peaks

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from trackbench.core.deformation import Deformation
    from trackbench.plugins.tacnn.decode import Found

__all__ = ["Landmarks", "deform_towards"]

FEWEST_COMMON: Final = 5
"""A target with fewer neurons in common says nothing about the deformation."""

LEAST_PROBABILITY: Final = 1e-3
LIKENESS_BLUR: Final = 0.7


@dataclass(frozen=True, eq=False)
class Landmarks:
    """Where the neurons of a labelled frame are.

    Parameters
    ----------
    classes : (n,) array of int
    voxels : (n, 3) array
        On the canvas.
    """

    classes: NDArray[np.intp]
    voxels: NDArray[np.floating[Any]]


def deform_towards(
    parents: Sequence[tuple[Sample, Landmarks]],
    image: NDArray[np.float32],
    probability: NDArray[np.float32],
    *,
    share: float = 1.0,
) -> Sample | None:
    """Deform a labelled frame towards a target.

    Two deformations of each parent are estimated: one takes the network's neurons at their word,
    the other trusts the bright spots for places and the network for a guess of who they are. The
    one that makes a labelled image most like the target's is taken.

    Parameters
    ----------
    parents : sequence of (Sample, Landmarks)
        Frames as they were labelled, and their neurons.
    image : (c, z, y, x) array
        The target.
    probability : (z, y, x, classes) array
        The network's answer on it.
    share : float
        Part of the way: 0.3 in Park et al. 2023.

    Returns
    -------
    Sample or None
        None where fewer than five neurons are common with every parent.
    """
    found = find_neurons(probability, image[0])
    spots = find_peaks(probability, image[0])
    candidates = [
        (parent, deformation)
        for parent, landmarks in parents
        for deformation in _deformations(landmarks, parent.voxel_um, found, spots)
    ]
    if not candidates:
        return None
    parent, best = max(candidates, key=lambda pair: _likeness(pair[0], image, pair[1]))
    return Sample(parent.image, parent.labels, parent.voxel_um, part_way(best, share))


def _deformations(
    landmarks: Landmarks,
    voxel_um: NDArray[Any],
    found: Found,
    spots: tuple[NDArray[np.float64], NDArray[np.float64]],
) -> list[Deformation]:
    """Estimate how places of a target go to places of a labelled frame."""
    classes, own, others = np.intersect1d(landmarks.classes, found.classes, return_indices=True)
    if len(classes) < FEWEST_COMMON:
        return []
    places = landmarks.voxels * voxel_um
    literal = fit_in_plane(found.voxels[others] * voxel_um, places[own], found.confidence[others])
    peaks, guesses = spots
    if len(peaks) < FEWEST_COMMON:
        return [literal]
    named = guesses[:, landmarks.classes]
    none = 1 - named.sum(axis=1, keepdims=True)
    prior = np.log(np.maximum(np.hstack([named, none]), LEAST_PROBABILITY))
    return [literal, fit_soft(peaks * voxel_um, prior, places, literal)]


def _likeness(parent: Sample, image: NDArray[np.float32], deformation: Deformation) -> float:
    """Correlation of the warped labelled image with the target's, both slightly blurred."""
    shape = image.shape[1:]
    grid = sampling_grid(deformation, (shape[0], shape[1], shape[2]), parent.voxel_um)
    warped = warp(parent.image[:1].cpu(), grid)[0].numpy()
    pair = [gaussian_filter(item, LIKENESS_BLUR).reshape(-1) for item in (warped, image[0])]
    return float(np.corrcoef(np.stack(pair))[0, 1])
