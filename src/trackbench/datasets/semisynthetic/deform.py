"""Smooth deformations of batches of worms: bend, twist, affine, random fields.

All functions take points (b, n, 3) in µm, axis order z, y, x, with the long axis along x, and
return the moved points. `draw` holds the random generator and the batch it serves.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

GRID = 64
FIELD_WAVES = 24


@dataclass(frozen=True, eq=False)
class Draw:
    """Seeded random numbers for a batch.

    Parameters
    ----------
    generator : torch.Generator
        On the device of the batch.
    batch : int
    """

    generator: torch.Generator
    batch: int

    def uniform(self, *shape: int, low: float = 0.0, high: float = 1.0) -> Tensor:
        """Draw uniform numbers (batch, *shape)."""
        unit = torch.rand(
            (self.batch, *shape), generator=self.generator, device=self.generator.device
        )
        return low + (high - low) * unit

    def normal(self, *shape: int) -> Tensor:
        """Draw standard normal numbers (batch, *shape)."""
        return torch.randn(
            (self.batch, *shape), generator=self.generator, device=self.generator.device
        )

    def chance(self, probability: float, *shape: int) -> Tensor:
        """Draw booleans (batch, *shape), True with the given probability."""
        return self.uniform(*shape) < probability


def roll_about_x(points: Tensor, angle: Tensor) -> Tensor:
    """Rotate about the long axis by `angle`, shape (b, 1) or (b, n)."""
    z, y, x = points.unbind(-1)
    sine, cosine = torch.sin(angle), torch.cos(angle)
    return torch.stack([cosine * z - sine * y, sine * z + cosine * y, x], dim=-1)


def twist(points: Tensor, turn: Tensor, length_um: float) -> Tensor:
    """Roll about the long axis that grows by `turn` (b, 1) radians over `length_um`."""
    return roll_about_x(points, turn * points[..., 2] / length_um)


def bend(points: Tensor, turn: Tensor, wave: Tensor, phase: Tensor, length_um: float) -> Tensor:
    """Bend the long axis in the xy plane.

    The tangent turns by `turn` over `length_um`, plus `wave * sin(2 pi x / length + phase)`.
    The centreline is its integral; every point keeps its distance to it along the normal.

    Parameters
    ----------
    points : Tensor, (b, n, 3)
    turn, wave, phase : Tensor, (b, 1)
        Radians.
    length_um : float
    """
    reach = 1.5 * length_um
    grid = torch.linspace(-reach, reach, GRID, device=points.device)
    step = 2 * reach / (GRID - 1)
    angle = turn * grid / length_um + wave * torch.sin(2 * torch.pi * grid / length_um + phase)
    middle = 0.5 * (angle[:, 1:] + angle[:, :-1])
    line = torch.stack([torch.sin(middle), torch.cos(middle)], dim=-1).cumsum(1) * step
    line = torch.cat([torch.zeros_like(line[:, :1]), line], dim=1)
    line = line - line[:, GRID // 2 - 1 : GRID // 2 + 1].mean(1, keepdim=True)
    place = ((points[..., 2] + reach) / step).clamp(0, GRID - 1.001)
    low = place.floor().long()
    rest = (place - low).unsqueeze(-1)
    index = low.unsqueeze(-1).expand(-1, -1, 2)
    foot = torch.gather(line, 1, index) * (1 - rest) + torch.gather(line, 1, index + 1) * rest
    theta = torch.gather(angle, 1, low) * (1 - rest[..., 0])
    theta = theta + torch.gather(angle, 1, low + 1) * rest[..., 0]
    z, y = points[..., 0], points[..., 1]
    return torch.stack(
        [z, foot[..., 0] + y * torch.cos(theta), foot[..., 1] - y * torch.sin(theta)], dim=-1
    )


def random_affine(points: Tensor, draw: Draw, scale: float, shear: float) -> Tensor:
    """Stretch each axis by a log-normal factor and shear every plane."""
    stretch = torch.diag_embed(torch.exp(scale * draw.normal(3)))
    off = shear * draw.normal(3, 3) * (1 - torch.eye(3, device=points.device))
    return points @ (stretch + off)


def random_field(
    points: Tensor, draw: Draw, amplitude_um: Tensor, length_um: tuple[float, float]
) -> Tensor:
    """Displace by a smooth Gaussian random field.

    A sum of random cosines, whose covariance tends to a squared exponential (Rahimi and Recht
    2007).

    Parameters
    ----------
    points : Tensor, (b, n, 3)
    draw : Draw
    amplitude_um : Tensor, (b, 1)
        Standard deviation of each component.
    length_um : (float, float)
        Range of the correlation length.
    """
    low, high = (math.log(value) for value in length_um)
    length = torch.exp(draw.uniform(1, 1, low=low, high=high))
    waves = draw.normal(3, FIELD_WAVES) / length
    phase = draw.uniform(1, FIELD_WAVES, high=2 * torch.pi)
    weights = draw.normal(FIELD_WAVES, 3) * (2.0 / FIELD_WAVES) ** 0.5
    move: Tensor = torch.cos(points @ waves + phase) @ weights
    return points + amplitude_um.unsqueeze(-1) * move
