"""Point clouds in an order, a handedness and axes that don't depend on how they were given."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from trackbench.core.geometry import centred_axes

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from trackbench.core.types import PointCloud

__all__ = ["canonical_points"]


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
    if not len(cloud):
        return cloud.zyx_um, np.zeros(0, dtype=np.intp)
    rows = cloud.zyx_um.T.astype(np.float64, order="C")  # of three numbers numpy makes a slow loop
    if cloud.mirrored:
        rows[0] *= -1.0
    rows -= rows.mean(axis=1, keepdims=True)
    turned = centred_axes(rows.T) @ rows
    signs = np.where((turned * turned * turned).sum(axis=1) < 0, -1.0, 1.0)
    signs[0] = signs[1] * signs[2]
    turned *= signs[:, None]
    middle = np.sort(turned, axis=1)[:, (len(cloud) - 1) // 2 : len(cloud) // 2 + 1]
    points = (turned - middle.mean(axis=1, keepdims=True)).astype(np.float32)
    order = np.argsort(points[2])
    along = points[2][order]
    if (along[1:] == along[:-1]).any():  # hardly ever, and three keys take three times as long
        order = np.lexsort(points)
    return points.T.take(order, axis=0), order
