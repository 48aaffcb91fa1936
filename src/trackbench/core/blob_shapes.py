"""The shape of blobs, and the split of those that are two touching nuclei."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Moments", "moments", "split_labels"]

FEWEST: Final = 8
"""Blobs that it takes to know what shape is usual."""
ROUNDS: Final = 8
PASSES: Final = 2
"""Passes of splitting: three nuclei in a row need two."""
FEWEST_VOXELS: Final = 6


@dataclass(frozen=True, eq=False)
class Moments:
    """Centre and spread of each blob, weighted by its light.

    Parameters
    ----------
    centre_um : (n, 3) array
    covariance_um2 : (n, 3, 3) array
    voxels : (n,) array
    """

    centre_um: NDArray[np.float64]
    covariance_um2: NDArray[np.float64]
    voxels: NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class _Voxels:
    """Voxels of all blobs: label from 0, place in µm, light."""

    label: NDArray[np.intp]
    zyx_um: NDArray[np.float64]
    weight: NDArray[np.float64]


def moments(
    labels: NDArray[np.int32], light: NDArray[np.float32], pitch: NDArray[np.float64]
) -> Moments:
    """Measure the blobs 1 to n of a label volume (z, y, x); the first voxel's centre is 0."""
    return _moments(_voxels(labels, light, pitch), int(labels.max(initial=0)), pitch)


def split_labels(
    labels: NDArray[np.int32],
    light: NDArray[np.float32],
    pitch: NDArray[np.float64],
    *,
    ratio: float,
) -> NDArray[np.int32]:
    """Part blobs that are longer than blobs of this volume usually are.

    The median covariance of all blobs is what one nucleus looks like here, point-spread
    function included. A blob whose variance along some direction is more than `ratio` times
    that is fitted by two such nuclei (expectation maximisation with the covariance fixed).

    Parameters
    ----------
    labels : (z, y, x) array of int32
        0 = background, blobs from 1.
    light : (z, y, x) array
    pitch : (3,) array
    ratio : float

    Returns
    -------
    (z, y, x) array of int32
        The same with the second nucleus of each pair under a number of its own.
    """
    n = int(labels.max(initial=0))
    if n < FEWEST:
        return labels
    voxels = _voxels(labels, light, pitch)
    usual = _usual(_moments(voxels, n, pitch))
    label = voxels.label.copy()
    for _ in range(PASSES):
        here = _Voxels(label, voxels.zyx_um, voxels.weight)
        label = _split_once(here, n, usual, ratio, pitch)
        if label.max(initial=0) + 1 == n:
            break
        n = int(label.max()) + 1
    parted = labels.copy()
    parted[labels > 0] = label + 1
    return parted


def _voxels(
    labels: NDArray[np.int32], light: NDArray[np.float32], pitch: NDArray[np.float64]
) -> _Voxels:
    place = np.nonzero(labels)
    zyx_um = np.stack(place, axis=1) * pitch
    weight = np.maximum(light[place], 1e-6).astype(np.float64)
    return _Voxels(labels[place].astype(np.intp) - 1, zyx_um, weight)


def _moments(voxels: _Voxels, n: int, pitch: NDArray[np.float64]) -> Moments:
    label, weight = voxels.label, voxels.weight
    total = np.maximum(np.bincount(label, weight, n), 1e-12)
    sums = [np.bincount(label, weight * axis, n) for axis in voxels.zyx_um.T]
    centre = np.stack(sums, axis=1) / total[:, None]
    step = voxels.zyx_um - centre[label]
    covariance = np.empty((n, 3, 3))
    for a in range(3):
        for b in range(a, 3):
            product = np.bincount(label, weight * step[:, a] * step[:, b], n) / total
            covariance[:, a, b] = covariance[:, b, a] = product
    # the light of a voxel is spread over it
    covariance += np.diag(pitch**2 / 12)
    return Moments(centre, covariance, np.bincount(label, minlength=n))


def _usual(found: Moments) -> NDArray[np.float64]:
    large = found.voxels >= FEWEST_VOXELS
    chosen = found.covariance_um2[large] if large.sum() >= FEWEST else found.covariance_um2
    usual: NDArray[np.float64] = np.diag(np.median(np.diagonal(chosen, axis1=1, axis2=2), axis=0))
    return usual


def _split_once(
    voxels: _Voxels, n: int, usual: NDArray[np.float64], ratio: float, pitch: NDArray[np.float64]
) -> NDArray[np.intp]:
    found = _moments(voxels, n, pitch)
    size = np.sqrt(np.diagonal(usual))
    values, vectors = np.linalg.eigh(found.covariance_um2 / np.outer(size, size))
    long = (values[:, -1] > ratio) & (found.voxels >= FEWEST_VOXELS)
    label = voxels.label.copy()
    order = np.argsort(label, kind="stable")
    ends = np.searchsorted(label[order], np.arange(n + 1))
    for blob in np.flatnonzero(long):
        rows = order[ends[blob] : ends[blob + 1]]
        offset = np.sqrt(values[blob, -1] - 1) * vectors[blob, :, -1]
        centre = found.centre_um[blob] / size
        second = _second(voxels.zyx_um[rows] / size, voxels.weight[rows], centre, offset)
        if 0 < second.sum() < len(rows):
            label[rows[second]] = label.max() + 1
    return label


def _second(
    points: NDArray[np.float64],
    weight: NDArray[np.float64],
    centre: NDArray[np.float64],
    offset: NDArray[np.float64],
) -> NDArray[np.bool_]:
    """Say which voxels belong to the second of two nuclei of unit covariance."""
    first, other, share = centre - offset, centre + offset, 0.5
    for _ in range(ROUNDS):
        odds = (np.square(points - first) - np.square(points - other)).sum(axis=1) / 2
        belongs = 1 / (1 + np.exp(-np.clip(odds + np.log(share / (1 - share)), -50, 50)))
        of_other, of_first = weight * belongs, weight * (1 - belongs)
        other = of_other @ points / max(of_other.sum(), 1e-9)
        first = of_first @ points / max(of_first.sum(), 1e-9)
        share = float(np.clip(of_other.sum() / weight.sum(), 0.05, 0.95))
    second: NDArray[np.bool_] = belongs > 0.5
    return second
