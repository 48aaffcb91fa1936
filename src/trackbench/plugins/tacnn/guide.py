"""Guides the network's answer by the deformation that the answer itself suggests.

Where the network is unsure of a neuron, the others say where it must be: the smooth deformation
to the most similar labelled frame, estimated from all of them, is a prior of each one's place.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from trackbench.core.deformation import inverse
from trackbench.plugins.tacnn.estimate import estimate

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from trackbench.plugins.tacnn.estimate import Reference

__all__ = ["guided"]

LEAST_PROBABILITY: Final = 1e-6
FARTHEST: Final = 40.0
"""Largest penalty of a place, in natural log-units."""


def guided(
    probability: NDArray[np.float32],
    image: NDArray[np.float32],
    references: Sequence[Reference],
    width_um: float,
) -> NDArray[np.float32]:
    """Multiply each neuron's probability by a Gaussian around its expected place.

    Parameters
    ----------
    probability : (z, y, x, classes) array
        The network's answer; class 0 = background.
    image : (c, z, y, x) array
    references : sequence of Reference
        Labelled frames.
    width_um : float
        Standard deviation of the Gaussian.

    Returns
    -------
    (z, y, x, classes) array
        Normalised anew; unchanged where no deformation could be estimated.
    """
    places = expected_places(probability, image, references)
    if not places:
        return probability
    voxel_um = references[0].voxel_um
    grid = np.indices(image.shape[1:]).reshape(3, -1).T * voxel_um
    scores = np.log(probability.reshape(len(grid), -1) + LEAST_PROBABILITY)
    for number, place in places.items():
        square = np.square((grid - place) / width_um).sum(axis=1)
        scores[:, number] -= np.minimum(square / 2, FARTHEST)
    scores -= scores.max(axis=1, keepdims=True)
    np.exp(scores, out=scores)
    result: NDArray[np.float32] = (scores / scores.sum(axis=1, keepdims=True)).astype(np.float32)
    return result.reshape(probability.shape)


def expected_places(
    probability: NDArray[np.float32],
    image: NDArray[np.float32],
    references: Sequence[Reference],
) -> dict[int, NDArray[np.floating[Any]]]:
    """Say where each neuron is by the most similar labelled frame that has it, in µm."""
    places: dict[int, NDArray[np.floating[Any]]] = {}
    for found in estimate(references, image, probability):
        reference = references[found.number]
        there = inverse(found.deformation, reference.voxels * reference.voxel_um)
        for number, place in zip(reference.classes, there, strict=True):
            places.setdefault(int(number), place)
    return places
