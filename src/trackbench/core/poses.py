"""Where the search for a worm's pose starts. Proper rotations only: the mirror is never tried.

Position can't tell left from right in a head that is nearly symmetric. Where a recording says
how its axes run, `same_handed` uses that; where it doesn't, both clouds count as alike.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from trackbench.core.geometry import principal_axes

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from trackbench.core.types import PointCloud

    FloatArray = NDArray[np.float64]
    Points = NDArray[np.floating[Any]]

__all__ = ["about_axis", "same_handed", "starts"]

MIRROR = np.array([-1.0, 1.0, 1.0], dtype=np.float32)


def about_axis(axis: int, angle: float) -> FloatArray:
    """Make the rotation (3, 3) by `angle` in rad about axis 0, 1 or 2."""
    rotation = np.eye(3)
    u, v = (axis + 1) % 3, (axis + 2) % 3
    rotation[u, u] = rotation[v, v] = np.cos(angle)
    rotation[v, u] = np.sin(angle)
    rotation[u, v] = -rotation[v, u]
    return rotation


def starts(template: Points, test: Points, turns: int, rolls: int) -> FloatArray:
    """List rotations that bring a centred test near the pose of a centred template.

    In-plane turns suit a worm that crawls under a fixed optical axis. Rolls lay the long
    principal axis of the test along that of the template, in both directions, and roll about
    it: they suit a worm that was mounted in any position.

    Parameters
    ----------
    template, test : (n, 3), (m, 3) arrays
        In µm, z, y, x, centred.
    turns, rolls : int
        How many of each, spread evenly over the circle; both 0 gives the identity alone.

    Returns
    -------
    (turns + 2 * rolls, 3, 3) array
    """
    found = [about_axis(0, angle) for angle in _circle(turns)]
    if rolls:
        to, of = principal_axes(template), principal_axes(test)
        for flip in (np.eye(3), np.diag([1.0, -1.0, -1.0])):
            found += [to.T @ about_axis(2, angle) @ flip @ of for angle in _circle(rolls)]
    return np.stack(found) if found else np.eye(3)[None]


def _circle(count: int) -> FloatArray:
    angles: FloatArray = 2 * np.pi * np.arange(count) / max(count, 1)
    return angles


def same_handed(cloud: PointCloud, mirrored: bool | None) -> NDArray[np.float32]:
    """Give the positions of a cloud in the handedness of another.

    Parameters
    ----------
    cloud : PointCloud
    mirrored : bool or None
        Handedness of the other cloud. Where it is known of both and differs, z is negated.

    Returns
    -------
    (n, 3) array of float32
        In µm.
    """
    known = mirrored is not None and cloud.mirrored is not None
    return cloud.zyx_um * MIRROR if known and cloud.mirrored != mirrored else cloud.zyx_um
