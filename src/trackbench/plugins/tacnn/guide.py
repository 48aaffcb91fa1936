"""Guides the network's answer by the labelled frames, registered onto the frame's bright spots.

Where the network is unsure of a neuron, the others say where it must be: the deformation that
its whole answer suggests starts a registration, which takes each labelled neuron to its place.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from trackbench.core.deformation import inverse
from trackbench.plugins.tacnn.decode import Found, find_neurons
from trackbench.plugins.tacnn.estimate import estimate
from trackbench.plugins.tacnn.registration import TRUST, find_spots, probability_at, register

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from trackbench.plugins.tacnn.estimate import Reference

__all__ = ["Places", "expected_places", "guided", "locate"]

LEAST_PROBABILITY: Final = 1e-6
NEAREST: Final = 3
"""Labelled frames that have a say: those that can be deformed to be most alike."""

FARTHEST: Final = 40.0
"""Largest penalty of a place, in natural log-units."""

HALF: Final = 0.5


@dataclass(frozen=True, eq=False)
class Places:
    """Where the labelled neurons are in another frame.

    Parameters
    ----------
    classes : (n,) array of int
    zyx_um : (n, 3) array
        From the canvas' first voxel.
    seen : (n,) array
        Probability that there is a bright spot that is this neuron.
    """

    classes: NDArray[np.intp]
    zyx_um: NDArray[np.float64]
    seen: NDArray[np.float64]


def locate(
    probability: NDArray[np.float32],
    image: NDArray[np.float32],
    references: Sequence[Reference],
    width_um: float,
) -> Found:
    """Find each labelled neuron at its place by the others.

    A neuron is there if a bright spot is it, or if at its place the network finds it more
    probable than the background.

    Parameters
    ----------
    probability : (z, y, x, classes) array
        The network's answer; class 0 = background.
    image : (c, z, y, x) array
    references : sequence of Reference
        Labelled frames.
    width_um : float
        Standard deviation of a neuron's place, for who else it may be.

    Returns
    -------
    Found
        By the network alone where no deformation could be estimated.
    """
    places = expected_places(probability, image, references)
    if places is None:
        return find_neurons(probability, image[0])
    voxels = places.zyx_um / references[0].voxel_um
    rows = TRUST * np.log(probability_at(probability, voxels) + LEAST_PROBABILITY)
    apart = np.square(places.zyx_um[:, None] - places.zyx_um).sum(axis=2)
    rows[:, places.classes] -= np.minimum(apart / (2 * width_um**2), FARTHEST)
    shares = np.exp(rows - np.logaddexp.reduce(rows, axis=1, keepdims=True))
    none = np.minimum(shares[:, :1], 1 - places.seen[:, None])
    named = shares[:, 1:] / np.maximum(1 - shares[:, :1], LEAST_PROBABILITY)
    there = none[:, 0] < HALF
    table = np.hstack([none, (1 - none) * named])
    return Found(places.classes[there], voxels[there], table[there])


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
    if places is None:
        return probability
    voxel_um = references[0].voxel_um
    grid = np.indices(image.shape[1:]).reshape(3, -1).T * voxel_um
    scores = np.log(probability.reshape(len(grid), -1) + LEAST_PROBABILITY)
    for number, place in zip(places.classes, places.zyx_um, strict=True):
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
) -> Places | None:
    """Say where each neuron is.

    The labelled frames that can be deformed to be most like this one are registered onto its
    bright spots; of several answers the median is taken.

    Returns
    -------
    Places or None
        None where fewer than five neurons are common with every labelled frame.
    """
    best = estimate(references, image, probability)[:NEAREST]
    if not best:
        return None
    voxel_um, radius_um = references[0].voxel_um, references[0].radius_um
    spots = find_spots(image[0], probability, voxel_um, radius_um)
    classes, answers, seen = [], [], []
    for item in best:
        reference = references[item.number]
        start = inverse(item.deformation, reference.voxels * voxel_um)
        found = register(reference, start, spots)
        classes.append(reference.classes)
        answers.append(found.zyx_um)
        seen.append(found.seen)
    return _combined(np.concatenate(classes), np.concatenate(answers), np.concatenate(seen))


def _combined(
    classes: NDArray[np.intp], zyx_um: NDArray[np.floating[Any]], seen: NDArray[np.floating[Any]]
) -> Places:
    """Take the median place and the mean probability of the answers on each class."""
    numbers = np.unique(classes)
    own = [classes == number for number in numbers]
    return Places(
        numbers,
        np.array([np.median(zyx_um[rows], axis=0) for rows in own]),
        np.array([seen[rows].mean() for rows in own]),
    )
