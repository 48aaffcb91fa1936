"""Point clouds in an order and a handedness that don't depend on how they were given."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from trackbench.core.types import PointCloud

__all__ = ["canonical_points"]

MIRROR = np.array([-1.0, 1.0, 1.0], dtype=np.float32)


def canonical_points(cloud: PointCloud) -> tuple[NDArray[np.float32], NDArray[np.intp]]:
    """Give the points in an order that doesn't depend on the rows', and that order.

    A recording that is known to be mirrored is reflected. The arithmetic rounds to bfloat16:
    in one and the same order the same worm gives the same numbers to the last digit.

    Parameters
    ----------
    cloud : PointCloud

    Returns
    -------
    points : (n, 3) array
        Centred at the median.
    order : (n,) array
        `cloud.zyx_um[order]` are the points.
    """
    raw = cloud.zyx_um
    order = np.lexsort(raw.T)
    points = raw[order] - np.median(raw, axis=0) if len(raw) else raw
    if cloud.mirrored:
        points = points * MIRROR
    return points.astype(np.float32), order
