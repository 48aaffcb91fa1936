"""The frame in which worms are registered, and the poses that a registration starts from."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    FloatArray = NDArray[np.float64]

__all__ = ["body_frame", "pad", "poses"]


def body_frame(zyx_um: NDArray[np.float32]) -> FloatArray:
    """Move a worm into its own frame: centroid at the origin, long axis along the last axis.

    The long axis is the first principal axis; the optical axis (z) stays as close to the first
    coordinate as it can, so that a worm seen from one side keeps that side up.

    Parameters
    ----------
    zyx_um : (n, 3) array

    Returns
    -------
    (n, 3) array
        The direction of the long axis (head or tail first) is arbitrary.
    """
    points = np.asarray(zyx_um, dtype=np.float64)
    if len(points) < 2:
        return np.zeros_like(points)
    centred = points - points.mean(axis=0)
    long = np.linalg.eigh(centred.T @ centred)[1][:, -1]
    up = np.eye(3)[0] if abs(long[0]) < 0.9 else np.eye(3)[1]
    up = up - (up @ long) * long
    up /= np.linalg.norm(up)
    frame: FloatArray = centred @ np.stack([up, np.cross(long, up), long], axis=1)
    return frame


def poses(rolls: int) -> torch.Tensor:
    """Proper rotations that a registration starts from, (2 * rolls, 3, 3).

    Rolls about the long axis, evenly spaced, each with either end first.

    Parameters
    ----------
    rolls : int
        1 keeps the optical axis.
    """
    angles = 2 * np.pi * np.arange(rolls) / rolls
    turn = np.zeros((rolls, 3, 3))
    turn[:, 0, 0] = turn[:, 1, 1] = np.cos(angles)
    turn[:, 0, 1], turn[:, 1, 0] = -np.sin(angles), np.sin(angles)
    turn[:, 2, 2] = 1.0
    other_end = np.diag([1.0, -1.0, -1.0])
    return torch.as_tensor(np.concatenate([turn, turn @ other_end]), dtype=torch.float32)


def pad(clouds: Sequence[NDArray[np.float64]]) -> tuple[torch.Tensor, torch.Tensor]:
    """Stack clouds of different size: points (b, n, 3) and which of them are real (b, n)."""
    longest = max((len(cloud) for cloud in clouds), default=0)
    points = torch.zeros(len(clouds), longest, 3)
    real = torch.zeros(len(clouds), longest)
    for i, cloud in enumerate(clouds):
        points[i, : len(cloud)] = torch.as_tensor(cloud, dtype=torch.float32)
        real[i, : len(cloud)] = 1.0
    return points, real
