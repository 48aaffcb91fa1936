"""Nuclei as bright blobs of one radius, whatever the voxel pitch.

A difference of Gaussians in µm gives peaks; a watershed from them gives blobs; blobs that are
longer than usual are parted in two; the centre is the mean position of a blob's light.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from trackbench.core.blob_filters import filtered, lit_box, peaks
from trackbench.core.blob_shapes import moments, split_labels

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from trackbench.core.blob_settings import BlobSettings

__all__ = ["Blobs", "find_blobs"]

CORE: Final = 0.4
"""A blob ends where its light falls below this share of its peak."""


@dataclass(frozen=True, eq=False)
class Blobs:
    """The blobs of a volume (z, y, x).

    Parameters
    ----------
    labels : (z, y, x) array of int32
        Of the part of the volume that holds light: 0 = background, blobs from 1.
    centres_um : (n, 3) array
        From the volume's first voxel.
    corner : (3,) array of int
        Voxel of the volume where `labels` begins.
    """

    labels: NDArray[np.int32]
    centres_um: NDArray[np.float64]
    corner: NDArray[np.int64]

    @property
    def box(self) -> tuple[slice, ...]:
        """The part of the volume that `labels` covers."""
        ends = zip(self.corner, self.labels.shape, strict=True)
        return tuple(slice(int(start), int(start) + size) for start, size in ends)


def find_blobs(image: NDArray[Any], pitch: NDArray[np.float64], settings: BlobSettings) -> Blobs:
    """Find the blobs of an image (z, y, x) without NaN.

    Parameters
    ----------
    image : (z, y, x) array
    pitch : (3,) array
        Of the voxels, in µm.
    settings : BlobSettings
    """
    box = lit_box(image, pitch, settings.radius_um)
    found = filtered(image[box], pitch, settings)
    labels = _flooded(peaks(image[box], found, settings), found.light)
    labels = split_labels(labels, found.light, pitch, ratio=settings.split)
    corner = np.array([part.start for part in box])
    centres = moments(labels, found.light, pitch).centre_um + corner * pitch
    return Blobs(labels, centres, corner)


def _flooded(index: NDArray[np.intp], light: NDArray[np.float32]) -> NDArray[np.int32]:
    """Grow each peak down to a share of its height, by watershed: (z, y, x) labels from 1."""
    from skimage.segmentation import watershed

    seeds = np.zeros(light.shape, dtype=np.int32)
    seeds[tuple(index.T)] = np.arange(1, len(index) + 1)
    if not len(index):
        return seeds
    height = light[tuple(index.T)]
    flooded = watershed(-light, seeds, mask=light > CORE * max(height.min(), 0))
    least = np.concatenate([[np.inf], CORE * height]).astype(np.float32)
    kept: NDArray[np.int32] = np.where(light >= least[flooded], flooded, 0).astype(np.int32)
    kept[tuple(index.T)] = np.arange(1, len(index) + 1)
    return kept
