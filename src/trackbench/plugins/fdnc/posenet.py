"""How a worm lies: a small network that turns any head into the anatomical frame.

The cloud is first turned to its principal axes. The network then tells, for the longest axis,
its slope against the anatomical one and which of `2 * ROLL_BINS` classes (head first or tail
first, times the roll about the axis) it is in: a head is nearly symmetric, so several rolls can
be plausible and a regression would average them.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from trackbench.plugins.fdnc.attention import Block, Embedding, Rotary

ROLL_BINS = 24
PROPER_SIGNS = ((1.0, 1.0, 1.0), (-1.0, 1.0, -1.0), (-1.0, -1.0, 1.0), (1.0, -1.0, -1.0))
AGREEMENT_COSINE = 0.87
"""Of 30 degrees."""

SURE = 0.85
"""Probability of the best class and its two neighbours on either side, from which one look at a
cloud is enough."""


@dataclass(frozen=True, eq=False)
class PoseGuess:
    """What the network says of clouds (b, n, 3) in their principal axes.

    Parameters
    ----------
    slope : Tensor, (b, 2)
        z and y component of the long anatomical axis, its x component being 1.
    logits : Tensor, (b, 2, ROLL_BINS)
        Direction of the head (0: the worm points along x as in the anatomical frame), roll.
    """

    slope: Tensor
    logits: Tensor


class PoseNet(nn.Module):
    """A small transformer with a pooled output.

    Parameters
    ----------
    width, layers, heads : int
    """

    def __init__(self, width: int = 64, layers: int = 3, heads: int = 2) -> None:
        super().__init__()
        self.embed = Embedding(width)
        self.rotary = Rotary(heads, width // heads)
        self.blocks = nn.ModuleList(
            Block(width, heads, 2 * width, crosses=False) for _ in range(layers)
        )
        self.norm = nn.LayerNorm(2 * width)
        self.head = nn.Linear(2 * width, 2 + 2 * ROLL_BINS)

    def forward(self, zyx_um: Tensor, mask: Tensor) -> PoseGuess:
        """Guess the pose of clouds (b, n, 3) in their principal axes; mask (b, n) of bool."""
        dtype = self.head.weight.dtype
        tokens = self.embed(zyx_um)
        turns = self.rotary(zyx_um, dtype)
        there = mask.to(dtype)
        for block in self.blocks:
            tokens = block(tokens, turns, there)
        mean = (tokens * there.unsqueeze(-1)).sum(1) / there.sum(1, keepdim=True)
        most = torch.where(mask.unsqueeze(-1), tokens, -torch.inf).amax(1)
        raw = self.head(self.norm(torch.cat([mean, most], dim=-1))).float()
        return PoseGuess(raw[:, :2], raw[:, 2:].unflatten(-1, (2, ROLL_BINS)))


def principal_frame(zyx_um: Tensor, mask: Tensor) -> Tensor:
    """Proper rotations (b, 3, 3), rows the principal axes, the longest last.

    Parameters
    ----------
    zyx_um : Tensor, (b, n, 3)
    mask : Tensor of bool, (b, n)
    """
    there = mask.unsqueeze(-1).to(zyx_um.dtype)
    centred = (zyx_um - (zyx_um * there).sum(1, keepdim=True) / there.sum(1, keepdim=True)) * there
    axes = torch.linalg.eigh(centred.mT @ centred)[1].mT
    sign = torch.linalg.det(axes).sign()[:, None, None]
    return torch.cat([axes[:, :1] * sign, axes[:, 1:]], dim=1)


def true_pose(frame: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Give slope (b, 2), direction (b,) and roll (b,) that turn principal axes to the anatomy.

    Parameters
    ----------
    frame : Tensor, (b, 3, 3)
        Columns: the anatomical axes z, y, x in coordinates of the principal axes.
    """
    ventral, long_axis = frame[:, :, 1], frame[:, :, 2]
    backwards = (long_axis[:, 2] < 0).long()
    along = long_axis[:, 2:]
    slope = long_axis[:, :2] / torch.where(along.abs() < 0.3, 0.3 * along.sign() + 1e-6, along)
    first, second = _cross_section(long_axis)
    roll = torch.atan2((ventral * second).sum(-1), (ventral * first).sum(-1))
    return slope, backwards, roll


def pose_matrix(slope: Tensor, backwards: Tensor, roll: Tensor) -> Tensor:
    """Invert `true_pose`: matrices (b, 3, 3); `points @ matrix` is the anatomical frame."""
    long_axis = torch.cat([slope, torch.ones_like(slope[:, :1])], dim=1)
    long_axis = nn.functional.normalize(long_axis, dim=1)
    long_axis = torch.where(backwards.bool().unsqueeze(-1), -long_axis, long_axis)
    first, second = _cross_section(long_axis)
    ventral = torch.cos(roll).unsqueeze(-1) * first + torch.sin(roll).unsqueeze(-1) * second
    right = torch.linalg.cross(ventral, long_axis)
    return torch.stack([right, ventral, long_axis], dim=-1)


def _cross_section(long_axis: Tensor) -> tuple[Tensor, Tensor]:
    """Two directions perpendicular to the long axis, from which roll is counted."""
    upright = torch.tensor([0.0, 1.0, 0.0], device=long_axis.device).expand_as(long_axis)
    first = upright - long_axis * (upright * long_axis).sum(-1, keepdim=True)
    first = nn.functional.normalize(first, dim=-1)
    return first, torch.linalg.cross(first, long_axis)


def bin_centres(device: torch.device | None = None) -> Tensor:
    """Give the rolls (ROLL_BINS,) in radians that the classes stand for."""
    return (torch.arange(ROLL_BINS, device=device) + 0.5) * (2 * torch.pi / ROLL_BINS) - torch.pi


def best_pose(guess: PoseGuess) -> Tensor:
    """Give the most probable pose: matrices (b, 3, 3) from principal axes to the anatomical frame.

    The class whose probability, with those of its two neighbours in roll, is largest; its roll
    is the circular mean over the three.
    """
    probability = guess.logits.flatten(1).softmax(-1).view_as(guess.logits)
    three = torch.stack([probability.roll(1, -1), probability, probability.roll(-1, -1)])
    centre = _three(bin_centres(probability.device))
    turn = torch.atan2((three * centre.sin()).sum(0), (three * centre.cos()).sum(0))
    best = three.sum(0).flatten(1).argmax(-1)
    roll = torch.gather(turn.flatten(1), 1, best.unsqueeze(1)).squeeze(1)
    return pose_matrix(guess.slope, best // ROLL_BINS, roll)


def _three(centre: Tensor) -> Tensor:
    return torch.stack([centre.roll(1), centre, centre.roll(-1)])[:, None, None, :]


def sure_pose(network: PoseNet, zyx_um: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Give the pose that the network is sure of; where it isn't, see `agreed_pose`.

    Parameters and returns are those of `agreed_pose`; a pose found at one look counts as sure.
    """
    guess = network(zyx_um, mask)
    pose, sure = best_pose(guess), _certainty(guess) > SURE
    unsure = torch.nonzero(~sure).squeeze(1)
    if len(unsure):
        other, agreed = agreed_pose(network, zyx_um[unsure], mask[unsure])
        pose, sure = pose.index_copy(0, unsure, other), sure.index_copy(0, unsure, agreed)
    return pose, sure


def _certainty(guess: PoseGuess) -> Tensor:
    probability = guess.logits.flatten(1).softmax(-1).view_as(guess.logits)
    five = sum(probability.roll(shift, -1) for shift in range(-2, 3))
    return torch.as_tensor(five).flatten(1).amax(-1)


def agreed_pose(network: PoseNet, zyx_um: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Give the pose on which the four proper choices of the axes' signs agree.

    The signs of principal axes are arbitrary, the network's errors depend on them. The guess
    nearest to all others is averaged with those that are close to it.

    Parameters
    ----------
    network : PoseNet
    zyx_um : Tensor, (b, n, 3)
        In their principal axes.
    mask : Tensor of bool, (b, n)

    Returns
    -------
    matrices : Tensor, (b, 3, 3)
        To the anatomical frame.
    sure : Tensor of bool, (b,)
        Whether all four agree.
    """
    signs = torch.tensor(PROPER_SIGNS, dtype=zyx_um.dtype, device=zyx_um.device)
    flipped = (zyx_um * signs[:, None, None]).flatten(0, 1)
    matrices = best_pose(network(flipped, mask.repeat(len(signs), 1)))
    guesses = signs[:, None, :, None] * matrices.view(len(signs), -1, 3, 3)
    alike = torch.einsum("ahij,bhij->hab", guesses, guesses)
    chosen = alike.sum(-1).argmax(1)
    near = alike[torch.arange(len(chosen)), chosen] > 1 + 2 * AGREEMENT_COSINE
    mean = torch.einsum("ha,ahij->hij", near.to(guesses.dtype), guesses)
    left, _, right = torch.linalg.svd(mean)
    pose: Tensor = left @ right
    return pose, near.all(-1)
