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

from trackbench.plugins.fdnc.attention import Block, Embedding, Rotary, blocks_in

ROLL_BINS = 24


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
        for block in self.trained_blocks:
            tokens = block(tokens, turns, there)
        return self.pooled(tokens, mask)

    @property
    def trained_blocks(self) -> tuple[Block, ...]:
        """The blocks in their order."""
        return blocks_in(self.blocks)

    def pooled(self, tokens: Tensor, mask: Tensor) -> PoseGuess:
        """Guess the pose from the tokens (b, n, width) after the last block."""
        there = mask.to(tokens.dtype)
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


def _cross_section(long_axis: Tensor) -> tuple[Tensor, Tensor]:
    """Two directions perpendicular to the long axis, from which roll is counted."""
    upright = torch.tensor([0.0, 1.0, 0.0], device=long_axis.device).expand_as(long_axis)
    first = upright - long_axis * (upright * long_axis).sum(-1, keepdim=True)
    first = nn.functional.normalize(first, dim=-1)
    return first, torch.linalg.cross(first, long_axis)


def bin_centres(device: torch.device | None = None) -> Tensor:
    """Give the rolls (ROLL_BINS,) in radians that the classes stand for."""
    return (torch.arange(ROLL_BINS, device=device) + 0.5) * (2 * torch.pi / ROLL_BINS) - torch.pi
