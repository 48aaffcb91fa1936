"""Whole batches of simulated worms with known truth, on the device of the bank."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from trackbench.datasets.semisynthetic.bank import WormBank
from trackbench.datasets.semisynthetic.config import SimulatorConfig
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
from trackbench.datasets.semisynthetic.pose import random_pose

LENGTH_UM = 120.0
"""Length of the head, over which bends and twists are counted."""

SPURIOUS, PADDED = -1, -2
MIN_POINTS = 12


@dataclass(frozen=True, eq=False)
class SimulatedBatch:
    """Views of simulated worms; (v, b) = views of one worm, worms.

    Parameters
    ----------
    zyx_um : Tensor, (v, b, n, 3)
        In the image frame (z optical), centred at the median; zero where padded.
    neuron : Tensor of int64, (v, b, n)
        Which neuron of the worm, the same number in every view; -1 spurious, -2 padded.
    name_index : Tensor of int64, (v, b, n)
        In the bank's list of names; -1 where unlabeled, spurious or padded.
    mask : Tensor of bool, (v, b, n)
        True where there is a point; those come first.
    color : Tensor, (v, b, n, c), or None
        As the bank has them.
    rotation : Tensor, (v, b, 3, 3)
        `zyx_um @ rotation.mT` turns a view back into the anatomical frame.
    mirrored : Tensor of bool, (b,)
    """

    zyx_um: Tensor
    neuron: Tensor
    name_index: Tensor
    mask: Tensor
    color: Tensor | None
    rotation: Tensor
    mirrored: Tensor

    def anatomical_um(self) -> Tensor:
        """Give the positions (v, b, n, 3) with the pose undone: z left to right, x the long axis."""
        return self.zyx_um @ self.rotation.mT


@dataclass(frozen=True, eq=False)
class _Animals:
    """Animals before they move: rows are (view, worm) pairs, flattened."""

    points: Tensor
    present: Tensor
    name_index: Tensor
    color: Tensor | None
    base: Tensor


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
    animals, mirrored = _draw_animals(bank, config, generator, batch, views)
    draw = Draw(generator, views * batch)
    points = _deform(animals.points, draw, config)
    points = torch.where(mirrored.repeat(views)[:, None, None], points * _FLIP.to(points), points)
    seen = kept_points(points, animals.present, draw, config)
    seen = seen & _labeled_elsewhere(bank, animals, draw, config)
    added, seen_added, origin = spurious_points(points, animals.present, draw, config)
    everything = _join(animals, points, seen, added, seen_added, origin)
    rotation = random_pose(draw, config.roll, config.in_plane, config.tilt)
    moved = localisation_noise(everything.points @ rotation, draw, config)
    everything = replace(everything, points=moved)
    return _gathered(everything, points.shape[1], rotation, mirrored, views)


_FLIP = torch.tensor([-1.0, 1.0, 1.0])


def _draw_animals(
    bank: WormBank, config: SimulatorConfig, generator: torch.Generator, batch: int, views: int
) -> tuple[_Animals, Tensor]:
    groups = Draw(generator, batch)
    base = torch.randint(len(bank), (batch,), generator=generator, device=bank.device)
    across = groups.chance(config.across)
    mirrored = groups.chance(config.mirror)
    own = [_shape(bank, base, groups, config) for _ in range(views)]
    shapes = [torch.where(across[:, None, None], move, own[0][0]) for move, _ in own]
    donors = [torch.where(across, donor, own[0][1]) for _, donor in own]
    rows = base.repeat(views)
    color = _colors(bank, rows, torch.cat(donors), Draw(generator, len(rows)), config)
    points = bank.zyx_um[rows] + torch.cat(shapes)
    return _Animals(points, bank.present[rows], bank.name_index[rows], color, rows), mirrored


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
    points = random_field(
        points, draw, draw.uniform(1, high=config.warp_um), config.warp_length_um
    )
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


def _labeled_elsewhere(
    bank: WormBank, animals: _Animals, draw: Draw, config: SimulatorConfig
) -> Tensor:
    """In some views only the neurons are seen that another worm has names for."""
    chance = bank.reachable[animals.base].float()
    other = torch.multinomial(chance, 1, generator=draw.generator)[:, 0]
    shared = bank.partner[animals.base, other] >= 0
    return shared | ~draw.chance(config.partial, 1)


def _join(
    animals: _Animals,
    points: Tensor,
    seen: Tensor,
    added: Tensor,
    seen_added: Tensor,
    origin: Tensor,
) -> _Animals:
    unnamed = torch.full_like(origin, -1)
    color = animals.color
    if color is not None:
        beside = torch.gather(color, 1, origin.unsqueeze(-1).expand(-1, -1, color.shape[-1]))
        color = torch.cat([color, beside], dim=1)
    return _Animals(
        torch.cat([points, added], dim=1),
        torch.cat([seen, seen_added], dim=1),
        torch.cat([animals.name_index, unnamed], dim=1),
        color,
        animals.base,
    )


def _gathered(
    animals: _Animals, n_neurons: int, rotation: Tensor, mirrored: Tensor, views: int
) -> SimulatedBatch:
    """Put the seen points first, cut the padding, centre, and split rows into (view, worm)."""
    rows, slots = animals.present.shape
    batch = rows // views
    neurons = torch.arange(slots, device=rotation.device).expand(rows, -1)
    order = torch.argsort(animals.present.to(torch.int8), dim=1, descending=True, stable=True)
    width = int(animals.present.sum(1).max().clamp_min(MIN_POINTS))
    order = order[:, :width]
    mask = torch.gather(animals.present, 1, order)
    points = _take(animals.points, order)
    middle = torch.where(mask.unsqueeze(-1), points, torch.nan).nanmedian(1, keepdim=True).values
    points = torch.where(mask.unsqueeze(-1), points - middle, 0.0)
    own = torch.gather(neurons, 1, order)
    own = torch.where(own < n_neurons, own, SPURIOUS)
    color = None if animals.color is None else _take(animals.color, order)
    names = torch.gather(animals.name_index, 1, order)
    shape = (views, batch, width)
    return SimulatedBatch(
        points.view(*shape, 3),
        torch.where(mask, own, PADDED).view(shape),
        torch.where(mask, names, -1).view(shape),
        mask.view(shape),
        None if color is None else color.view(*shape, -1),
        rotation.view(views, batch, 3, 3),
        mirrored,
    )


def _take(values: Tensor, order: Tensor) -> Tensor:
    return torch.gather(values, 1, order.unsqueeze(-1).expand(-1, -1, values.shape[-1]))
