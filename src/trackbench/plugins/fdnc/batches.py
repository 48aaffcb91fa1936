"""Training batches: groups of views of simulated worms, near the anatomical pose."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from trackbench.datasets.semisynthetic.simulate import simulate
from trackbench.plugins.fdnc.posenet import principal_frame

if TYPE_CHECKING:
    from collections.abc import Iterator

    from trackbench.datasets.semisynthetic.bank import WormBank
    from trackbench.datasets.semisynthetic.config import SimulatorConfig
    from trackbench.datasets.semisynthetic.gather import SimulatedBatch
    from trackbench.plugins.fdnc.training_config import PoseErrorSection

POOL = 8
"""Batches that are simulated together, then sorted by size, so that little is padded."""


@dataclass(frozen=True, eq=False)
class PoseBatch:
    """Worms in their principal axes.

    Parameters
    ----------
    zyx_um : Tensor, (b, n, 3)
    mask : Tensor of bool, (b, n)
    frame : Tensor, (b, 3, 3)
        Columns: the anatomical axes z, y, x; what the pose network has to find.
    """

    zyx_um: Tensor
    mask: Tensor
    frame: Tensor


def pose_batches(
    bank: WormBank, config: SimulatorConfig, generator: torch.Generator, *, batch: int
) -> Iterator[PoseBatch]:
    """Simulate one pool and give its batches, each of worms of similar size."""
    views = simulate(bank, config, generator, POOL * batch, 1)
    points, mask, rotation = views.zyx_um[0], views.mask[0], views.rotation[0]
    axes = principal_frame(points, mask)
    # the signs of principal axes are arbitrary: any two may be turned
    flips = torch.randint(
        2, (len(points), 2), generator=generator, device=bank.device, dtype=points.dtype
    )
    signs = 1 - 2 * torch.cat([flips, flips.sum(1, keepdim=True) % 2], dim=1)
    axes = axes * signs.unsqueeze(-1)
    points, frame = points @ axes.mT, axes @ rotation.mT
    order = mask.sum(1).argsort()
    shuffled = torch.randperm(POOL, generator=generator, device=bank.device)
    for chosen in order.view(POOL, batch)[shuffled]:
        width = int(mask[chosen].sum(1).max())
        yield PoseBatch(points[chosen, :width], mask[chosen, :width], frame[chosen])


@dataclass(frozen=True, eq=False)
class GroupBatch:
    """Groups of one template and several tests; rows of a group are adjacent.

    Parameters
    ----------
    template_um, test_um : Tensor, (g, n, 3) and (b, m, 3)
    template, test : Tensor of int64, (g, n) and (b, m)
        Neuron numbers, -1 spurious, -2 padded.
    template_names, test_names : Tensor of int64
        -1 where there is no name, or where the group is a mirror image.
    """

    template_um: Tensor
    test_um: Tensor
    template: Tensor
    test: Tensor
    template_names: Tensor
    test_names: Tensor


def group_batches(
    bank: WormBank,
    config: SimulatorConfig,
    errors: PoseErrorSection,
    generator: torch.Generator,
    *,
    groups: int,
    tests: int,
) -> Iterator[GroupBatch]:
    """Simulate one pool and give its batches, each of groups of similar size."""
    views = simulate(bank, config, generator, POOL * groups, tests + 1)
    points = disturbed_pose(views, errors, generator)
    order = views.mask.sum(-1).amax(0).argsort()
    shuffled = torch.randperm(POOL, generator=generator, device=bank.device)
    for chosen in order.view(POOL, groups)[shuffled]:
        yield _group_batch(views, points, chosen)


def disturbed_pose(
    views: SimulatedBatch, errors: PoseErrorSection, generator: torch.Generator
) -> Tensor:
    """Positions (v, b, n, 3) in the anatomical frame, but for an error of pose."""
    shape = views.rotation.shape[:2]

    def uniform() -> Tensor:
        return torch.rand(shape, generator=generator, device=generator.device)

    def normal() -> Tensor:
        return torch.randn(shape, generator=generator, device=generator.device)

    anywhere = (2 * uniform() - 1) * torch.pi
    roll = torch.where(uniform() < errors.any_roll, anywhere, errors.roll * normal())
    flip = torch.pi * (uniform() < errors.flip)
    turn = _rotation(roll, 0, 1) @ _rotation(errors.tilt * normal(), 0, 2)
    turn = turn @ _rotation(flip + errors.tilt * normal(), 1, 2)
    return views.anatomical_um() @ turn


def _rotation(angle: Tensor, first: int, second: int) -> Tensor:
    matrix = torch.eye(3, device=angle.device).expand(*angle.shape, 3, 3).clone()
    matrix[..., first, first] = matrix[..., second, second] = torch.cos(angle)
    matrix[..., first, second] = torch.sin(angle)
    matrix[..., second, first] = -torch.sin(angle)
    return matrix


def _group_batch(views: SimulatedBatch, points: Tensor, chosen: Tensor) -> GroupBatch:
    width = int(views.mask[:, chosen].sum(-1).max())
    names = torch.where(views.mirrored[None, :, None], -1, views.name_index)
    picked = [part[:, chosen, :width] for part in (points, views.neuron, names)]
    template = [part[0] for part in picked]
    tests = [part[1:].transpose(0, 1).flatten(0, 1) for part in picked]
    return GroupBatch(template[0], tests[0], template[1], tests[1], template[2], tests[2])
