"""Whole batches of simulated worms with known truth, on the device of the bank."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import torch

from trackbench.datasets.semisynthetic.deform import (
    Draw,
    bend,
    random_affine,
    random_field,
    roll_about_x,
    twist,
)
from trackbench.datasets.semisynthetic.detect import (
    kept_points,
    localisation_noise,
    spurious_points,
)
from trackbench.datasets.semisynthetic.gather import Animals, SimulatedBatch, gathered
from trackbench.datasets.semisynthetic.pose import random_pose

if TYPE_CHECKING:
    from torch import Tensor

    from trackbench.datasets.semisynthetic.bank import WormBank
    from trackbench.datasets.semisynthetic.config import SimulatorConfig

__all__ = ["simulate"]

LENGTH_UM = 120.0
"""Length of the head, over which bends and twists are counted."""


def simulate(
    bank: WormBank, config: SimulatorConfig, generator: torch.Generator, batch: int, views: int
) -> SimulatedBatch:
    """Simulate `batch` worms, `views` views of each.

    Parameters
    ----------
    bank : WormBank
    config : SimulatorConfig
    generator : torch.Generator
        On the bank's device; the same state gives the same worms.
    batch, views : int

    Returns
    -------
    SimulatedBatch
    """
    base = torch.randint(len(bank), (batch,), generator=generator, device=bank.device)
    animals, mirrored = _draw_animals(bank, base, config, Draw(generator, batch), views)
    draw = Draw(generator, views * batch)
    points = _deform(animals.points, draw, config)
    points = torch.where(mirrored.repeat(views)[:, None, None], points * _FLIP.to(points), points)
    seen = kept_points(points, animals.present, draw, config)
    seen = seen & _labeled_elsewhere(bank, base.repeat(views), draw, config)
    own = replace(animals, points=points, present=seen)
    everything = _join(own, *spurious_points(points, animals.present, draw, config))
    rotation = random_pose(draw, config.roll, config.in_plane, config.tilt)
    moved = localisation_noise(everything.points @ rotation, draw, config)
    everything = replace(everything, points=moved)
    return gathered(everything, points.shape[1], rotation, mirrored, views)


_FLIP = torch.tensor([-1.0, 1.0, 1.0])


def _draw_animals(
    bank: WormBank, base: Tensor, config: SimulatorConfig, groups: Draw, views: int
) -> tuple[Animals, Tensor]:
    """Animals before they move, one a (view, worm) pair, and which worms are mirrored."""
    across = groups.chance(config.across)
    mirrored = groups.chance(config.mirror)
    own = [_shape(bank, base, groups, config) for _ in range(views)]
    shapes = [torch.where(across[:, None, None], move, own[0][0]) for move, _ in own]
    donors = [torch.where(across, donor, own[0][1]) for _, donor in own]
    rows = base.repeat(views)
    color = _colors(bank, rows, torch.cat(donors), Draw(groups.generator, len(rows)), config)
    points = bank.zyx_um[rows] + torch.cat(shapes)
    return Animals(points, bank.present[rows], bank.name_index[rows], color), mirrored


def _shape(
    bank: WormBank, base: Tensor, groups: Draw, config: SimulatorConfig
) -> tuple[Tensor, Tensor]:
    """Step towards one or, neuron by neuron, between two other worms; the first is returned too."""
    chance = bank.reachable[base].float()
    donors = torch.multinomial(chance, 2, replacement=True, generator=groups.generator)
    low, high = config.towards
    step = groups.uniform(1, 1, low=low, high=high)
    share = groups.uniform(bank.zyx_um.shape[1], 1) * groups.chance(config.mixture, 1, 1)
    first, second = (bank.displacement_um[base, donors[:, k]] for k in (0, 1))
    return step * ((1 - share) * first + share * second), donors[:, 0]


def _colors(
    bank: WormBank, base: Tensor, donor: Tensor, draw: Draw, config: SimulatorConfig
) -> Tensor | None:
    if bank.color is None:
        return None
    own = bank.color[base]
    if config.color_swap == 0:
        return own
    partner = bank.partner[base, donor]
    theirs = bank.color[donor.unsqueeze(1), partner.clamp_min(0)]
    swapped = draw.chance(config.color_swap, own.shape[1]) & (partner >= 0)
    return torch.where(swapped.unsqueeze(-1), theirs, own)


def _deform(points: Tensor, draw: Draw, config: SimulatorConfig) -> Tensor:
    points = random_field(points, draw, draw.uniform(1, high=config.warp_um), config.warp_length_um)
    points = random_affine(points, draw, config.scale, config.shear)
    points = twist(points, config.twist * draw.normal(1), LENGTH_UM)
    anywhere = draw.uniform(1, high=2 * torch.pi) * draw.chance(config.out_of_plane, 1)
    points = roll_about_x(points, anywhere)
    points = bend(
        points,
        config.bend * draw.normal(1),
        config.wave * draw.normal(1),
        draw.uniform(1, high=2 * torch.pi),
        LENGTH_UM,
    )
    return roll_about_x(points, -anywhere)


def _labeled_elsewhere(bank: WormBank, base: Tensor, draw: Draw, config: SimulatorConfig) -> Tensor:
    """In some views only the neurons are seen that another worm has names for."""
    chance = bank.reachable[base].float()
    other = torch.multinomial(chance, 1, generator=draw.generator)[:, 0]
    shared = bank.partner[base, other] >= 0
    return shared | ~draw.chance(config.partial, 1)


def _join(animals: Animals, added: Tensor, seen: Tensor, origin: Tensor) -> Animals:
    """Put added points behind the neurons, colored like the neurons beside them."""
    unnamed = torch.full_like(origin, -1)
    color = animals.color
    if color is not None:
        beside = torch.gather(color, 1, origin.unsqueeze(-1).expand(-1, -1, color.shape[-1]))
        color = torch.cat([color, beside], dim=1)
    return Animals(
        torch.cat([animals.points, added], dim=1),
        torch.cat([animals.present, seen], dim=1),
        torch.cat([animals.name_index, unnamed], dim=1),
        color,
    )
