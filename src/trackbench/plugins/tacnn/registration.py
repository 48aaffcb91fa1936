"""Where the neurons of a labelled frame are in another one: registration onto its bright spots.

Coherent point drift (Myronenko and Song 2010) with three kinds of evidence for each pair of a
label and a spot: how near the moved label is, what the network says at the spot, and how alike
they are in brightness. Pairs are one to one, so that one neuron can't take two spots.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from scipy.ndimage import gaussian_filter, map_coordinates

from trackbench.core.assignment import pair_marginals
from trackbench.core.blob_settings import BlobSettings
from trackbench.core.blobs import find_blobs
from trackbench.core.geometry import fit_rigid

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from trackbench.plugins.tacnn.estimate import Reference

    FloatArray = NDArray[np.floating[Any]]

__all__ = [
    "LabelledLight",
    "Registered",
    "Spots",
    "find_spots",
    "probability_at",
    "register",
    "see_labels",
]

WIDTHS_UM: Final = np.geomspace(5.0, 1.7, 45)
"""Widths of the correspondence, one a turn: those of the matcher `cpd`."""

BENDS: Final = ((25.0, 5.0), (12.5, 2.5))
"""The field of the matcher `cpd`: distance over which neurons move together, and how far, µm."""

STRETCH: Final = 0.2
"""Standard deviation of the entries of an affine part: a worm that bends moves its ends far."""

NEGLIGIBLE: Final = 1e-3
"""Share of the largest eigenvalue of the field's kernel below which an eigenvector is left out."""

TRUST: Final = 0.5
"""Exponent of the network's probabilities: it knows places too, which would count twice."""

LEAST_IDENTITY: Final = 1e-3
LEAST_DOUBT: Final = 0.05
"""Least probability that a spot is some neuron, and that it is none."""

FEWEST_SPOTS: Final = 5
"""Fewer say nothing that the start doesn't."""

BRIGHTNESS_BLUR: Final = 0.7
LEAST_SPREAD: Final = 0.05


@dataclass(frozen=True, eq=False)
class Spots:
    """Bright spots of a frame, whoever they are.

    Parameters
    ----------
    zyx_um : (n, 3) array
        From the canvas' first voxel.
    brightness : (n,) array
    probability : (n, classes) array
        What the network says there.
    room_um3 : float
        Volume of the canvas.
    """

    zyx_um: FloatArray
    brightness: FloatArray
    probability: FloatArray
    room_um3: float


def find_spots(
    image: NDArray[np.float32],
    probability: NDArray[np.float32],
    voxel_um: NDArray[np.float64],
    radius_um: float,
) -> Spots:
    """Find the spots of an image (z, y, x) on the canvas, and what the network (..., classes) says.

    Parameters
    ----------
    radius_um : float
        Of a nucleus.
    """
    centres = find_blobs(image, voxel_um, BlobSettings(radius_um)).centres_um
    voxels = centres / voxel_um
    rows = np.maximum(probability_at(probability, voxels), 0)
    room = float(np.prod(np.array(image.shape) * voxel_um))
    return Spots(centres, _brightness_at(image, voxels), rows, room)


def probability_at(probability: NDArray[np.float32], voxels: FloatArray) -> FloatArray:
    """Interpolate probabilities (z, y, x, classes) at places (n, 3): (n, classes)."""
    corners = np.floor(voxels).astype(int)
    last = np.array(probability.shape[:3]) - 1
    rows = np.zeros((len(voxels), probability.shape[3]))
    for step in np.ndindex(2, 2, 2):
        weight = np.abs(1 - np.array(step) - (voxels - corners)).prod(axis=1)
        place = np.clip(corners + step, 0, last)
        rows += weight[:, None] * probability[tuple(place.T)]
    return rows


@dataclass(frozen=True, eq=False)
class LabelledLight:
    """How the labels of a frame lie to its light.

    Parameters
    ----------
    offset_um : (3,) array
        From a label to its light: people may count slices from 1.
    brightness : (m,) array
        Of each labelled neuron.
    """

    offset_um: FloatArray
    brightness: FloatArray


def see_labels(reference: Reference) -> LabelledLight:
    """Find the light of the labels."""
    image, places = reference.image[0], reference.voxels * reference.voxel_um
    centres = find_blobs(image, reference.voxel_um, BlobSettings(reference.radius_um)).centres_um
    offset = np.zeros(3)
    if len(centres):
        apart = centres[None] - places[:, None]
        nearest = np.square(apart).sum(axis=2).argmin(axis=1)
        offset = np.median(apart[np.arange(len(places)), nearest], axis=0)
    return LabelledLight(offset, _brightness_at(image, (places + offset) / reference.voxel_um))


@dataclass(frozen=True, eq=False)
class Registered:
    """The neurons of a labelled frame in another one.

    Parameters
    ----------
    zyx_um : (m, 3) array
        Where they are, as people would have put them, from the canvas' first voxel.
    seen : (m,) array
        Probability that some spot is this neuron.
    """

    zyx_um: FloatArray
    seen: FloatArray


def register(reference: Reference, start: FloatArray, spots: Spots) -> Registered:
    """Move the labels of a frame onto the spots of another.

    Expectation: one-to-one pairs of labels and spots. Maximisation: a smooth movement away from
    a rigid pose. The spread of brightness is estimated on the way.

    Parameters
    ----------
    reference : Reference
        The labelled frame.
    start : (m, 3) array
        Where its labels may be in the other frame, in µm from the canvas' first voxel.
    spots : Spots
        Of the other frame.

    Returns
    -------
    Registered
        At `start`, and unseen, where there are fewer than five spots.
    """
    if len(spots.zyx_um) < FEWEST_SPOTS:
        return Registered(start, np.zeros(len(start)))
    labels = reference.voxels * reference.voxel_um
    pose = fit_rigid(labels, start)(labels)
    basis = _basis(pose)
    identity = _identity(spots.probability, reference.classes)
    unlike = np.square(spots.brightness[:, None] - reference.light.brightness)
    spread = max(float(reference.light.brightness.std()), LEAST_SPREAD)
    places = start
    for width in WIDTHS_UM:
        near = _log_normal(_squares(spots.zyx_um, places), width, 3)
        odds = identity + near + _log_normal(unlike, spread, 1) + np.log(spots.room_um3)
        pairs = pair_marginals(np.hstack([odds, np.zeros((len(odds), 1))]))
        total = max(float(pairs.sum()), 1e-6)
        spread = max(float(np.sqrt((pairs * unlike).sum() / total)), LEAST_SPREAD)
        places = pose + _smooth(basis, pairs.sum(axis=0), pairs.T @ spots.zyx_um, pose, width)
    return Registered(places - reference.light.offset_um, np.minimum(pairs.sum(axis=0), 1))


def _smooth(
    basis: FloatArray, mass: FloatArray, pulled: FloatArray, pose: FloatArray, width: float
) -> FloatArray:
    """Most probable movement (m, 3) of labels with `mass` pulled to `pulled` / `mass`."""
    system = basis.T @ (mass[:, None] * basis) + width**2 * np.eye(basis.shape[1])
    weights = np.linalg.solve(system, basis.T @ (pulled - mass[:, None] * pose))
    movement: FloatArray = basis @ weights
    return movement


def _basis(pose: FloatArray) -> FloatArray:
    """Movements (m, k) whose weights are independent and standard normal a priori."""
    square, centred = _squares(pose, pose), pose - pose.mean(axis=0)
    kernel = STRETCH**2 * centred @ centred.T
    for distance, size in BENDS:
        kernel += size**2 * np.exp(-square / (2 * distance**2))
    values, vectors = np.linalg.eigh(kernel)
    kept = values > NEGLIGIBLE * values[-1]
    basis: FloatArray = vectors[:, kept] * np.sqrt(values[kept])
    return basis


def _identity(probability: FloatArray, classes: NDArray[np.intp]) -> FloatArray:
    """Log-odds (n, m) of each spot being each label against its being none.

    That a spot is some neuron is the network's word alone; which one is shared with the places.
    """
    named = probability[:, classes]
    some = np.clip(named.sum(axis=1, keepdims=True), LEAST_DOUBT, 1 - LEAST_DOUBT)
    shares = np.maximum(named / np.maximum(named.sum(axis=1, keepdims=True), 1e-12), LEAST_IDENTITY)
    which = TRUST * np.log(shares)
    which -= np.logaddexp.reduce(which, axis=1, keepdims=True)
    odds: FloatArray = which + np.log(some / (1 - some))
    return odds


def _log_normal(squares: FloatArray, width: float, dimensions: int) -> FloatArray:
    """Log-density of an isotropic normal distribution at squared distances."""
    density: FloatArray = -squares / (2 * width**2) - dimensions * np.log(
        np.sqrt(2 * np.pi) * width
    )
    return density


def _squares(first: FloatArray, second: FloatArray) -> FloatArray:
    square: FloatArray = np.square(first[:, None] - second).sum(axis=2)
    return square


def _brightness_at(image: NDArray[np.float32], voxels: FloatArray) -> FloatArray:
    blurred = gaussian_filter(image, BRIGHTNESS_BLUR)
    values: FloatArray = map_coordinates(blurred, voxels.T, order=1, mode="nearest")
    return values
