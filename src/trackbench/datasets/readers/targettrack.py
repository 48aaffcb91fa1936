"""targettrack's published frames: images and numbered points, or images and label masks.

The arrays are ordered (c,) x, y, z; here they become z, y, x. Points: 84 rows of x, y, z in
voxels, row number = neuron, row 0 unused, NaN where a neuron is absent (Park et al. 2023).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from trackbench.core.types import PointCloud, Volume
from trackbench.datasets.readers.arrays import read_array
from trackbench.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = ["MASK_VOXEL_UM", "POINT_VOXEL_UM", "read_frame", "read_label_frame", "read_points"]

POINT_PITCH_UM: Final = 0.65
"""Assumed pitch in x and y of the frames with points: nobody states it. It gives the worm a
length (30 µm standard deviation) and neighbour distances (4 µm) as in other recordings."""

POINT_VOXEL_UM: Final = (3 * POINT_PITCH_UM, POINT_PITCH_UM, POINT_PITCH_UM)
"""(dz, dy, dx) of the frames with points. That z is three times x and y is assumed as well:
registration of the labeled frames works best with a factor of three to five."""

MASK_VOXEL_UM: Final = (1.5, 0.1625, 0.1625)
"""(dz, dy, dx) of the frames with masks, as published."""

CHANNELS: Final = ("red", "green")


def read_points(path: Path, id: str = "", animal: str = "") -> PointCloud:  # noqa: A002
    """Read numbered points: positions in µm at `POINT_VOXEL_UM`, names "1" to "84".

    Raises
    ------
    InputError
        Truncated, another shape, no point at all.
    """
    voxels = read_array(path, (None, 3), "(neurons + 1, 3): x, y, z in voxels")
    present = np.flatnonzero(np.isfinite(voxels).all(axis=1))
    if len(present) == 0 or present[0] == 0:
        what = "row 0 holds a point" if len(present) else "no row is finite"
        raise InputError(f"{path}: {what}", "row 0 is unused, the others are x, y, z or NaN")
    return PointCloud(
        voxels[present, ::-1] * np.array(POINT_VOXEL_UM),
        names=tuple(str(row) for row in present),
        id=id or path.stem,
        animal=animal or path.stem,
    )


def read_frame(path: Path, id: str = "") -> Volume:  # noqa: A002
    """Read the two-channel image (2, x, y, z) of a frame with points."""
    image = read_array(path, (len(CHANNELS), None, None, None), "(2, x, y, z): red, green")
    return Volume(
        image.transpose(0, 3, 2, 1), np.array(POINT_VOXEL_UM), CHANNELS, id=id or path.stem
    )


def read_label_frame(
    image_path: Path,
    mask_path: Path,
    id: str = "",  # noqa: A002
) -> tuple[Volume, NDArray[Any]]:
    """Read a one-channel image (x, y, z) and its label mask.

    Returns
    -------
    volume : Volume
        At `MASK_VOXEL_UM`.
    labels : (z, y, x) array of int
        0 = background, otherwise the neuron's number.

    Raises
    ------
    InputError
        Truncated, or image and mask of different shapes.
    """
    image = read_array(image_path, (None, None, None), "(x, y, z)")
    mask = read_array(mask_path, image.shape, f"{image.shape}, as its image")
    if mask.dtype.kind not in "iub" or mask.min() < 0:
        raise InputError(f"{mask_path}: {mask.dtype} labels", "whole numbers, 0 = background")
    volume = Volume(
        image.transpose(2, 1, 0)[None],
        np.array(MASK_VOXEL_UM),
        CHANNELS[:1],
        id=id or image_path.stem,
    )
    return volume, mask.transpose(2, 1, 0)
