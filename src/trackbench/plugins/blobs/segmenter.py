"""The segmenter `blobs`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Final

import numpy as np

from trackbench.core.plugin import Segmenter
from trackbench.core.types import PointCloud
from trackbench.errors import InputError
from trackbench.plugins.blobs.config import BlobsConfig

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from trackbench.core.plugin import Config
    from trackbench.core.types import Volume

__all__ = ["BlobsSegmenter"]

CORE: Final = 0.4
"""A blob ends where its light falls below this share of its peak."""
COLOR_CHANNELS: Final = 3


class BlobsSegmenter(Segmenter[BlobsConfig]):
    """Finds nuclei as bright blobs of one radius, whatever the voxel pitch.

    A difference of Gaussians in µm gives peaks; a watershed from them gives blobs; blobs that
    are longer than usual are parted in two; the centre is the mean position of a blob's light.
    Volumes with three or more channels (NeuroPAL) give each point its mean intensities.
    """

    name = "blobs"
    Config: ClassVar[type[Config]] = BlobsConfig

    def segment(self, volume: Volume) -> PointCloud:
        """Find the nuclei: centres in µm."""
        from trackbench.plugins.blobs.shapes import moments

        labels, light, corner = self._segmented(volume)
        found = moments(labels, light, np.asarray(volume.voxel_um))
        centres = found.centre_um + corner * np.asarray(volume.voxel_um)
        several = volume.data.shape[0] >= COLOR_CHANNELS
        color = _mean_intensities(volume, labels, corner) if several else None
        return PointCloud(centres, color, id=volume.id)

    def labels(self, volume: Volume) -> NDArray[np.int32]:
        """Give the voxels of each nucleus, (z, y, x): 0 = background, row i of `segment` = i + 1.

        Parameters
        ----------
        volume : Volume
        """
        labels, _, corner = self._segmented(volume)
        whole = np.zeros(volume.data.shape[1:], dtype=np.int32)
        whole[tuple(slice(a, a + n) for a, n in zip(corner, labels.shape, strict=True))] = labels
        return whole

    def _segmented(
        self, volume: Volume
    ) -> tuple[NDArray[np.int32], NDArray[np.float32], NDArray[np.int64]]:
        """Labels and light of the lit box, and the voxel where it begins."""
        from trackbench.plugins.blobs.filters import filtered, lit_box, peaks
        from trackbench.plugins.blobs.shapes import split_labels

        pitch = np.asarray(volume.voxel_um)
        image = self._image(volume)
        box = lit_box(image, pitch, self.config.radius_um)
        found = filtered(image[box], pitch, self.config)
        labels = _flooded(peaks(image[box], found, self.config), found.light)
        labels = split_labels(labels, found.light, pitch, ratio=self.config.split)
        return labels, found.light, np.array([part.start for part in box])

    def _image(self, volume: Volume) -> NDArray[Any]:
        if self.config.channel >= volume.data.shape[0]:
            raise InputError(
                f"volume {volume.id!r} has {volume.data.shape[0]} channels",
                f"blobs[channel={self.config.channel}] counts from 0: choose another one",
            )
        image: NDArray[Any] = volume.data[self.config.channel]
        if image.dtype.kind == "f" and not np.isfinite(image).all():
            raise InputError(f"volume {volume.id!r} holds NaN or inf", "replace them by 0")
        return image


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


def _mean_intensities(
    volume: Volume, labels: NDArray[np.int32], corner: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Mean of every channel over each blob, (n, channels)."""
    box = tuple(slice(a, a + n) for a, n in zip(corner, labels.shape, strict=True))
    inside = labels > 0
    label = labels[inside] - 1
    count = np.bincount(label)
    sums = [np.bincount(label, channel[box][inside]) for channel in volume.data]
    mean: NDArray[np.float64] = np.stack(sums, axis=1) / count[:, None]
    return mean
