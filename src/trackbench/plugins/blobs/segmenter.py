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

    from trackbench.core.blobs import Blobs
    from trackbench.core.plugin import Config
    from trackbench.core.types import Volume

__all__ = ["BlobsSegmenter"]

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
        found = self._found(volume)
        several = volume.data.shape[0] >= COLOR_CHANNELS
        color = _mean_intensities(volume, found) if several else None
        return PointCloud(found.centres_um, color, id=volume.id)

    def labels(self, volume: Volume) -> NDArray[np.int32]:
        """Give the voxels of each nucleus, (z, y, x): 0 = background, row i of `segment` = i + 1.

        Parameters
        ----------
        volume : Volume
        """
        found = self._found(volume)
        whole = np.zeros(volume.data.shape[1:], dtype=np.int32)
        whole[found.box] = found.labels
        return whole

    def _found(self, volume: Volume) -> Blobs:
        from trackbench.core.blob_settings import BlobSettings
        from trackbench.core.blobs import find_blobs

        config = self.config
        settings = BlobSettings(config.radius_um, config.noise, config.contrast, config.split)
        return find_blobs(self._image(volume), np.asarray(volume.voxel_um), settings)

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


def _mean_intensities(volume: Volume, found: Blobs) -> NDArray[np.float64]:
    """Mean of every channel over each blob, (n, channels)."""
    inside = found.labels > 0
    label = found.labels[inside] - 1
    count = np.bincount(label)
    sums = [np.bincount(label, channel[found.box][inside]) for channel in volume.data]
    mean: NDArray[np.float64] = np.stack(sums, axis=1) / count[:, None]
    return mean
