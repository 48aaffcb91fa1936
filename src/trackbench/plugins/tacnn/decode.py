"""From scores of voxels to neurons: the largest connected piece of each class."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from scipy import ndimage

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Found", "find_neurons", "find_peaks", "keep_largest"]

DARK: Final = 0.05
"""Brightness that every voxel has at least, as a weight."""

PEAK_BLUR: Final = 0.5
PEAK_BRIGHTNESS: Final = 0.25


@dataclass(frozen=True, eq=False)
class Found:
    """Neurons in one frame.

    Parameters
    ----------
    classes : (n,) array of int
    voxels : (n, 3) array
        Centres on the canvas, in voxels.
    probability : (n, classes) array
        Mean over each neuron's voxels; the first column is the background.
    """

    classes: NDArray[np.intp]
    voxels: NDArray[np.float64]
    probability: NDArray[np.float64]

    @property
    def confidence(self) -> NDArray[np.float64]:
        """Probability of each neuron's own class, (n,)."""
        return self.probability[np.arange(len(self.classes)), self.classes]


def keep_largest(labels: NDArray[Any], fewest_voxels: int = 1) -> NDArray[Any]:
    """Keep the largest 6-connected piece of every class, if it has enough voxels."""
    kept = np.zeros_like(labels)
    for number, box in enumerate(ndimage.find_objects(labels), start=1):
        if box is None:
            continue
        pieces, count = ndimage.label(labels[box] == number)
        sizes = np.bincount(pieces.reshape(-1), minlength=count + 1)[1:]
        if sizes.max() >= fewest_voxels:
            kept[box][pieces == sizes.argmax() + 1] = number
    return kept


def find_neurons(
    probability: NDArray[np.float32], image: NDArray[np.float32], fewest_voxels: int = 1
) -> Found:
    """Find at most one neuron of each class.

    Parameters
    ----------
    probability : (z, y, x, classes) array
        Of each voxel; class 0 = background.
    image : (z, y, x) array
    fewest_voxels : int
        Smaller pieces are dropped.

    Returns
    -------
    Found
        In the order of the classes; a centre is weighted by probability and brightness.
    """
    labels = keep_largest(probability.argmax(axis=3).astype(np.int32), fewest_voxels)
    places = np.argwhere(labels > 0)
    own = labels[tuple(places.T)]
    rows = probability[tuple(places.T)].astype(np.float64)
    classes, inverse = np.unique(own, return_inverse=True)
    weight = rows[np.arange(len(own)), own] * (image[tuple(places.T)] + DARK)
    total = np.bincount(inverse, weight, len(classes))
    centres = [np.bincount(inverse, weight * axis, len(classes)) / total for axis in places.T]
    counts = np.bincount(inverse, minlength=len(classes))
    means = [np.bincount(inverse, column, len(classes)) / counts for column in rows.T]
    return Found(classes.astype(np.intp), np.stack(centres, axis=1), np.stack(means, axis=1))


def find_peaks(
    probability: NDArray[np.float32], image: NDArray[np.float32]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Find the bright spots of an image, whatever the network calls them.

    Where the network is wrong, its classes cut bright regions in the wrong places; the spots
    themselves stay where the nuclei are.

    Returns
    -------
    voxels : (n, 3) array
    probability : (n, classes) array
        Of the voxel at each spot.
    """
    blurred = ndimage.gaussian_filter(image, PEAK_BLUR)
    highest = blurred == ndimage.maximum_filter(blurred, 3)
    peaks = np.argwhere(highest & (blurred > PEAK_BRIGHTNESS))
    centres = np.array([_centre_around(image, peak) for peak in peaks]).reshape(-1, 3)
    return centres, probability[tuple(peaks.T)].astype(np.float64)


def _centre_around(image: NDArray[np.float32], peak: NDArray[np.intp]) -> NDArray[np.float64]:
    """Centre of brightness of the 3 x 3 x 3 voxels around a peak."""
    low = np.maximum(peak - 1, 0)
    box = image[tuple(slice(a, b + 2) for a, b in zip(low, peak, strict=True))]
    total = max(float(box.sum()), 1e-9)
    places = np.indices(box.shape).reshape(3, -1)
    return low + places @ box.reshape(-1).astype(np.float64) / total
