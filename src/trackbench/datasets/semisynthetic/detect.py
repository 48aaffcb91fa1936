"""What a detector makes of a worm: lost ends, missed and spurious points, localisation noise."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from trackbench.datasets.semisynthetic.config import SimulatorConfig
    from trackbench.datasets.semisynthetic.deform import Draw

SPURIOUS_SPREAD_UM = 6.0


def kept_points(points: Tensor, present: Tensor, draw: Draw, config: SimulatorConfig) -> Tensor:
    """Decide which neurons are seen: neither cropped nor dropped.

    Parameters
    ----------
    points : Tensor, (b, n, 3)
        In the anatomical frame: the long axis is x.
    present : Tensor of bool, (b, n)
    draw : Draw
    config : SimulatorConfig

    Returns
    -------
    Tensor of bool, (b, n)
    """
    low, high = config.drop
    missed = draw.uniform(points.shape[1]) < draw.uniform(1, low=low, high=high)
    return present & ~missed & ~_cropped(points[..., 2], present, draw, config)


def _cropped(x: Tensor, present: Tensor, draw: Draw, config: SimulatorConfig) -> Tensor:
    front = torch.where(present, x, torch.inf).amin(1, keepdim=True)
    back = torch.where(present, x, -torch.inf).amax(1, keepdim=True)
    depth = draw.uniform(1, high=config.crop_depth) * draw.chance(config.crop, 1)
    from_head = draw.chance(config.head_crop, 1)
    place = (x - front) / (back - front).clamp_min(1e-6)
    return torch.where(from_head, place < 0.5 * depth, place > 1 - depth)


def spurious_points(
    points: Tensor, present: Tensor, draw: Draw, config: SimulatorConfig
) -> tuple[Tensor, Tensor, Tensor]:
    """Add points that belong to no neuron, each near a random neuron.

    Returns
    -------
    added : Tensor, (b, s, 3)
    seen : Tensor of bool, (b, s)
        How many there are differs from worm to worm.
    origin : Tensor of int64, (b, s)
        The neuron beside which each lies.
    """
    slots = max(1, round(config.spurious * points.shape[1]))
    chance = present.float() + 1e-9
    origin = torch.multinomial(chance, slots, replacement=True, generator=draw.generator)
    beside = torch.gather(points, 1, origin.unsqueeze(-1).expand(-1, -1, 3))
    added = beside + SPURIOUS_SPREAD_UM * draw.normal(slots, 3)
    share = draw.uniform(1, high=config.spurious)
    count = share * present.sum(1, keepdim=True)
    seen = torch.arange(slots, device=points.device) + 1 <= count
    return added, seen, origin


def localisation_noise(points: Tensor, draw: Draw, config: SimulatorConfig) -> Tensor:
    """Add noise to points (b, n, 3) in the image frame, larger along z, the optical axis."""
    low, high = config.noise_um
    size = draw.uniform(1, 1, low=low, high=high).expand(-1, 1, 3).clone()
    size[..., 0] = size[..., 0] * draw.uniform(1, low=1.0, high=config.noise_optical)
    return points + size * draw.normal(*points.shape[1:])
