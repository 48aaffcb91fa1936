"""Point clouds in an order, a handedness and axes that don't depend on how they were given."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from trackbench.core.geometry import principal_axes

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from trackbench.core.types import PointCloud

__all__ = ["canonical_points"]

MIRROR = np.array([-1.0, 1.0, 1.0])


def canonical_points(cloud: PointCloud) -> tuple[NDArray[np.float32], NDArray[np.intp]]:
    """Turn a cloud to its principal axes and sort it along the longest.

    A recording that is known to be mirrored is reflected. The signs of the two longest axes are
    those for which the cloud is skewed to the positive side. The networks round to bfloat16:
    for the same worm in another pose or order of rows they are given the same numbers.

    Parameters
    ----------
    cloud : PointCloud

    Returns
    -------
    points : (n, 3) array
        Centred at the median, the longest axis last.
    order : (n,) array
        `cloud.zyx_um[order]` are the points.
    """
    raw = cloud.zyx_um.astype(np.float64)
    if not len(raw):
        return cloud.zyx_um, np.zeros(0, dtype=np.intp)
    if cloud.mirrored:
        raw = raw * MIRROR
    turned = (raw - raw.mean(axis=0)) @ principal_axes(raw).T
    signs = np.where((turned * turned * turned).sum(axis=0) < 0, -1.0, 1.0)
    signs[0] = signs[1] * signs[2]
    turned = turned * signs
    points = (turned - np.median(turned, axis=0)).astype(np.float32)
    order = np.lexsort(points.T)
    return points[order], order
