"""Where a worm lies under the microscope: rotations from the anatomical to the image frame."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from trackbench.datasets.semisynthetic.deform import Draw


def random_pose(draw: Draw, roll: float, in_plane: float, tilt: float) -> Tensor:
    """Draw rotation matrices (b, 3, 3), axis order z, y, x, to be used as `points @ matrix`.

    A roll about the long axis (x), a small tilt of that axis out of the focal plane, then a
    turn about the optical axis (z).
    """
    about_x = rotation(draw.uniform(low=-roll, high=roll), 0, 1)
    about_y = rotation(tilt * draw.normal(), 0, 2)
    about_z = rotation(draw.uniform(low=-in_plane, high=in_plane), 1, 2)
    return about_x @ about_y @ about_z


def rotation(angle: Tensor, first: int, second: int) -> Tensor:
    """Give rotations (b, 3, 3) by `angle` (b,) in the plane of two axes, for `points @ matrix`."""
    matrix = torch.eye(3, device=angle.device).repeat(len(angle), 1, 1)
    matrix[:, first, first] = matrix[:, second, second] = torch.cos(angle)
    matrix[:, first, second] = torch.sin(angle)
    matrix[:, second, first] = -torch.sin(angle)
    return matrix
