"""Recordings that are a folder with one ``.npy`` image a volume."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from trackbench.datasets.readers.arrays import map_array
from trackbench.datasets.recordings.axes import channel_names, checked_alike, checked_shape, to_czyx
from trackbench.datasets.recordings.recording import Header, Recording

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from trackbench.core.types import Volume

__all__ = ["ArrayFiles"]


class ArrayFiles(Recording):
    """Images (z, y, x) or (c, z, y, x), one file a volume.

    Parameters
    ----------
    folder : Path
    files : mapping of int to Path
        By frame number.
    voxel_um : (dz, dy, dx)
    axes : str, optional
        Order of the axes where it is another.
    volumes_per_s : float, optional

    Raises
    ------
    InputError
        A truncated file, files of different shapes, an axis order that can't be.
    """

    def __init__(
        self,
        folder: Path,
        files: Mapping[int, Path],
        voxel_um: tuple[float, float, float],
        axes: str | None = None,
        volumes_per_s: float | None = None,
    ) -> None:
        self._files = list(files.values())
        shapes = [map_array(path).shape for path in self._files]
        self._axes, (channels, *_) = checked_shape(shapes[0], axes, str(self._files[0]))
        checked_alike(self._files, shapes)
        super().__init__(
            Header(folder, tuple(files), channel_names(channels), voxel_um, volumes_per_s)
        )

    def volume(self, t: int) -> Volume | None:
        """Read file t."""
        data: NDArray[Any] = np.array(map_array(self._files[t]))
        return self._as_volume(to_czyx(data, self._axes), t)
