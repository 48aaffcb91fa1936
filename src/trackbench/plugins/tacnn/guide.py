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
from trackbench.plugins.tacnn.estimate import literal_deformation
from trackbench.plugins.tacnn.registration import TRUST, find_spots, probability_at, register

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from trackbench.plugins.tacnn.estimate import Reference

__all__ = ["Places", "expected_places", "guided", "locate"]

LEAST_PROBABILITY: Final = 1e-6
NEAREST: Final = 3
"""Labelled frames that are registered; more only if they hold neurons that these lack."""

AGREEABLE: Final = 0.9
"""Agreement with the network, as a share of the best, that gives a labelled frame a say."""

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
    zyx_um: NDArray[np.floating[Any]]
    seen: NDArray[np.floating[Any]]


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

    Labelled frames are registered onto the spots of this one; each has a say as far as the
    network agrees with its outcome, and the median is taken.

    Returns
    -------
    Places or None
        None where fewer than five neurons are common with every labelled frame.
    """
    found = find_neurons(probability, image[0])
    starts = _starts(probability, found, references)
    if not starts:
        return None
    voxel_um, radius_um = references[0].voxel_um, references[0].radius_um
    spots = find_spots(image[0], probability, voxel_um, radius_um)
    answers = []
    for reference, start in starts:
        there = register(reference, start, spots)
        agreement = _agreement(probability, reference, there.zyx_um)
        answers.append((agreement, Places(reference.classes, there.zyx_um, there.seen)))
    return _combined(answers)


def _starts(
    probability: NDArray[np.float32], found: Found, references: Sequence[Reference]
) -> list[tuple[Reference, NDArray[np.floating[Any]]]]:
    """Choose labelled frames to register, and from where: the most agreeable, and all classes."""
    tried = []
    for reference in references:
        deformation = literal_deformation(reference, found)
        if deformation is not None:
            start = inverse(deformation, reference.voxels * reference.voxel_um)
            tried.append((_agreement(probability, reference, start), reference, start))
    chosen: list[tuple[Reference, NDArray[np.floating[Any]]]] = []
    covered: set[int] = set()
    for _, reference, start in sorted(tried, key=lambda item: -item[0]):
        classes = set(reference.classes.tolist())
        if len(chosen) < NEAREST or classes - covered:
            chosen.append((reference, start))
            covered |= classes
    return chosen


def _agreement(
    probability: NDArray[np.float32], reference: Reference, zyx_um: NDArray[np.floating[Any]]
) -> float:
    """Mean probability by the network of each labelled neuron at its place."""
    rows = probability_at(probability, zyx_um / reference.voxel_um)
    return float(rows[np.arange(len(rows)), reference.classes].mean())


def _combined(answers: Sequence[tuple[float, Places]]) -> Places:
    """Take for each class the median of the agreeable answers, or the best that there is."""
    ordered = sorted(answers, key=lambda item: -item[0])
    least = AGREEABLE * ordered[0][0]
    votes: dict[int, list[tuple[NDArray[np.floating[Any]], float]]] = {}
    for agreement, places in ordered:
        for row, number in enumerate(places.classes.tolist()):
            own = votes.setdefault(number, [])
            if not own or agreement >= least:
                own.append((places.zyx_um[row], float(places.seen[row])))
    return Places(
        np.array(sorted(votes), np.intp),
        np.array([np.median([at for at, _ in votes[k]], axis=0) for k in sorted(votes)]),
        np.array([np.mean([seen for _, seen in votes[k]]) for k in sorted(votes)]),
    )
