"""How a frame must be deformed to look like a labelled one, by the network's own answer on it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch
from scipy.ndimage import gaussian_filter

from trackbench.core.deformation import fit_in_plane, fit_soft, sampling_grid, warp
from trackbench.plugins.tacnn.decode import find_neurons, find_peaks
from trackbench.plugins.tacnn.registration import see_labels

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from trackbench.core.deformation import Deformation
    from trackbench.plugins.tacnn.decode import Found
    from trackbench.plugins.tacnn.registration import LabelledLight

__all__ = ["Estimate", "Reference", "estimate", "literal_deformation"]

FEWEST_COMMON: Final = 5
"""A frame with fewer neurons in common says nothing about the deformation."""

LEAST_PROBABILITY: Final = 1e-3
LIKENESS_BLUR: Final = 0.7


@dataclass(frozen=True, eq=False)
class Reference:
    """A labelled frame as something to deform: its image, and where its neurons are.

    Parameters
    ----------
    image : (c, z, y, x) array of float32
        On the canvas.
    voxel_um : (3,) array
        Pitch of the canvas.
    classes : (n,) array of int
    voxels : (n, 3) array
        On the canvas.
    radius_um : float
        Of a nucleus.
    """

    image: NDArray[np.float32]
    voxel_um: NDArray[np.float64]
    classes: NDArray[np.intp]
    voxels: NDArray[np.floating[Any]]
    radius_um: float

    @cached_property
    def light(self) -> LabelledLight:
        """How the labels lie to the light."""
        return see_labels(self)


@dataclass(frozen=True, eq=False)
class Estimate:
    """A deformation to one labelled frame.

    Parameters
    ----------
    number : int
        Of the labelled frame among those that were tried.
    deformation : callable
        From places of the new frame to places of the labelled one, µm from the first voxel.
    likeness : float
        Correlation of the deformed labelled image with the new one.
    """

    number: int
    deformation: Deformation
    likeness: float


def estimate(
    references: Sequence[Reference],
    image: NDArray[np.float32],
    probability: NDArray[np.float32],
) -> list[Estimate]:
    """Estimate the deformation to each labelled frame, the most alike first.

    Two are tried for each: one takes the network's neurons at their word, the other trusts the
    bright spots for places and the network for a guess of who they are. The one that makes the
    labelled image more like the new one is taken.

    Parameters
    ----------
    references : sequence of Reference
    image : (c, z, y, x) array
        The new frame.
    probability : (z, y, x, classes) array
        The network's answer on it.

    Returns
    -------
    list of Estimate
        Without those that share fewer than five neurons with the answer.
    """
    found = find_neurons(probability, image[0])
    spots = find_peaks(probability, image[0])
    best = []
    for number, reference in enumerate(references):
        tried = [
            Estimate(number, deformation, _likeness(reference, image, deformation))
            for deformation in _deformations(reference, found, spots)
        ]
        best += sorted(tried, key=lambda item: -item.likeness)[:1]
    return sorted(best, key=lambda item: -item.likeness)


def literal_deformation(reference: Reference, found: Found) -> Deformation | None:
    """Fit the deformation to a labelled frame that takes the network's neurons at their word.

    Returns
    -------
    callable or None
        From places of the new frame to places of the labelled one, µm from the first voxel; None
        where fewer than five neurons are common.
    """
    classes, own, others = np.intersect1d(reference.classes, found.classes, return_indices=True)
    if len(classes) < FEWEST_COMMON:
        return None
    places = reference.voxels[own] * reference.voxel_um
    return fit_in_plane(found.voxels[others] * reference.voxel_um, places, found.confidence[others])


def _deformations(
    reference: Reference,
    found: Found,
    spots: tuple[NDArray[np.float64], NDArray[np.float64]],
) -> list[Deformation]:
    literal = literal_deformation(reference, found)
    if literal is None:
        return []
    peaks, guesses = spots
    if len(peaks) < FEWEST_COMMON:
        return [literal]
    named = guesses[:, reference.classes]
    none = 1 - named.sum(axis=1, keepdims=True)
    prior = np.log(np.maximum(np.hstack([named, none]), LEAST_PROBABILITY))
    places, voxel_um = reference.voxels * reference.voxel_um, reference.voxel_um
    return [literal, fit_soft(peaks * voxel_um, prior, places, literal)]


def _likeness(reference: Reference, image: NDArray[np.float32], deformation: Deformation) -> float:
    """Correlation of the deformed labelled image with the new one, both slightly blurred."""
    shape = image.shape[1:]
    grid = sampling_grid(deformation, (shape[0], shape[1], shape[2]), reference.voxel_um)
    warped = warp(torch.from_numpy(reference.image[:1]), grid)[0].numpy()
    pair = [gaussian_filter(item, LIKENESS_BLUR).reshape(-1) for item in (warped, image[0])]
    if min(item.std() for item in pair) == 0:
        return -1.0
    return float(np.corrcoef(np.stack(pair))[0, 1])
