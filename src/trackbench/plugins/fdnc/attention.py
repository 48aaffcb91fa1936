"""Transformer blocks over point clouds, with an attention that is fast on a CPU.

Queries and keys are normalised and scaled by a learned factor, so that scores are bounded and
the softmax needs no maximum. Padded keys are left out by zeroing their values and their share of
the denominator, which is the last column of the values. What remains are two matrix products
and one exponential, all of which may run in bfloat16.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

START_LOG_FACTOR = -1.7
MAX_LOG_FACTOR = -0.7
"""Queries and keys have length sqrt(width): with this factor a score of 128 features stays below
64, and its exponential within the range of bfloat16 and float32."""

Turns = tuple[Tensor, ...]


@dataclass(frozen=True, eq=False)
class Memory:
    """Keys and values that queries may attend to.

    Parameters
    ----------
    keys : Tensor, (..., heads, n, d)
    values : Tensor, (..., heads, n, d + 1)
        The last column is 1 for points and 0 for padding.
    """

    keys: Tensor
    values: Tensor


class Rotary(nn.Module):
    """Angles proportional to z, y, x, by which pairs of features are turned.

    Su et al. 2021 (RoFormer), in three dimensions: scores then depend on differences of
    positions only.

    Parameters
    ----------
    heads, head_width : int
    shortest_um, longest_um : float
        Range of the wavelengths.
    """

    def __init__(
        self, heads: int, head_width: int, shortest_um: float = 12.0, longest_um: float = 240.0
    ) -> None:
        super().__init__()
        self.heads = heads
        per_axis = head_width // 6
        low, high = math.log10(shortest_um), math.log10(longest_um)
        wavelengths = torch.logspace(low, high, per_axis)
        self.register_buffer("frequencies", 2 * torch.pi / wavelengths, persistent=False)
        self.unturned = head_width // 2 - 3 * per_axis

    def forward(self, zyx_um: Tensor, dtype: torch.dtype) -> Turns:
        """Cosines and sines (..., n, heads * head_width / 2) of points (..., n, 3)."""
        frequencies: Tensor = self.get_buffer("frequencies").to(zyx_um.dtype)
        angle = (zyx_um.unsqueeze(-1) * frequencies).flatten(-2)
        angle = functional.pad(angle, (0, self.unturned))
        repeats = (1,) * (angle.ndim - 1) + (self.heads,)
        return tuple(
            turn.to(dtype).repeat(repeats) for turn in (torch.cos(angle), torch.sin(angle))
        )


def _turned_heads(features: Tensor, turns: Turns, heads: int) -> Tensor:
    """Turn features (b, n, width) and split them into heads, (b, heads, n, width / heads)."""
    first, second = features.chunk(2, dim=-1)
    cosine, sine = turns
    parts = (first * cosine - second * sine, first * sine + second * cosine)
    shape = (*features.shape[:-1], heads, -1)
    return torch.cat([part.reshape(shape).transpose(1, 2) for part in parts], dim=-1)


class Block(nn.Module):
    """Pre-norm block: attention to the own cloud and, if given, another; then feed-forward.

    Parameters
    ----------
    width, heads, feed_forward : int
    crosses : bool
        Whether the block can make memories for another cloud and attend to them.
    """

    def __init__(self, width: int, heads: int, feed_forward: int, *, crosses: bool) -> None:
        super().__init__()
        self.heads = heads
        self.norm_attention = nn.LayerNorm(width)
        self.queries_keys_values = nn.Linear(width, 3 * width, bias=False)
        self.keys_values_for_others = nn.Linear(width, 2 * width, bias=False) if crosses else None
        self.log_factor = nn.Parameter(torch.full((heads, 1, 1), START_LOG_FACTOR))
        self.merge = nn.Linear(width, width, bias=False)
        self.norm_feed_forward = nn.LayerNorm(width)
        self.widen = nn.Linear(width, feed_forward)
        self.narrow = nn.Linear(feed_forward, width)

    def forward(
        self,
        tokens: Tensor,
        turns: Turns,
        mask: Tensor,
        other: Memory | None = None,
    ) -> Tensor:
        """Update the tokens.

        Parameters
        ----------
        tokens : Tensor, (b, n, width)
        turns : tuple of Tensor
            From `Rotary`.
        mask : Tensor, (b, n), of the tokens' dtype
            1 for points, 0 for padding.
        other : Memory, optional
            Of clouds (g, ...), where g divides b and rows of the same group follow each other.
        """
        features = self.queries_keys_values(self.norm_attention(tokens))
        queries, keys, values = features.chunk(3, dim=-1)
        factor = self.log_factor.clamp_max(MAX_LOG_FACTOR).exp().to(tokens.dtype)
        queries = _turned_heads(_normalised(queries), turns, self.heads) * factor
        own = self._memory(keys, values, turns, mask)
        mixed = torch.matmul((queries @ own.keys.mT).exp_(), own.values)
        if other is not None:
            mixed = mixed + _attend_in_groups(queries, other)
        mixed = mixed[..., :-1] / mixed[..., -1:]
        tokens = tokens + self.merge(mixed.transpose(1, 2).flatten(2))
        inner = functional.relu(self.widen(self.norm_feed_forward(tokens)))
        added: Tensor = self.narrow(inner.square())
        return tokens + added

    def memory(self, tokens: Tensor, turns: Turns, mask: Tensor) -> Memory:
        """Make what other clouds see of this one, from the same tokens that `forward` takes."""
        if self.keys_values_for_others is None:
            raise ValueError("this block was made without cross-attention")
        features = self.keys_values_for_others(self.norm_attention(tokens))
        keys, values = features.chunk(2, dim=-1)
        return self._memory(keys, values, turns, mask)

    def _memory(self, keys: Tensor, values: Tensor, turns: Turns, mask: Tensor) -> Memory:
        split = values.reshape(*values.shape[:-1], self.heads, -1)
        there = mask[..., None, None].expand(*split.shape[:-1], 1)
        counted = torch.cat([split * there, there], dim=-1)
        return Memory(_turned_heads(_normalised(keys), turns, self.heads), counted.transpose(1, 2))


def blocks_in(modules: nn.ModuleList) -> tuple[Block, ...]:
    """Give a list's blocks; nothing else may stand in it."""
    blocks = tuple(block for block in modules if isinstance(block, Block))
    if len(blocks) != len(modules):
        raise TypeError("a list of blocks holds something else")
    return blocks


def _normalised(features: Tensor) -> Tensor:
    return functional.layer_norm(features, features.shape[-1:])


def _attend_in_groups(queries: Tensor, other: Memory) -> Tensor:
    groups = other.keys.shape[0]
    size, heads, n, width = queries.shape
    grouped = queries.reshape(groups, -1, heads, n, width).transpose(1, 2)
    stacked = grouped.reshape(groups, heads, -1, width)
    mixed = torch.matmul((stacked @ other.keys.mT).exp_(), other.values)
    split = mixed.reshape(groups, heads, size // groups, n, -1).transpose(1, 2)
    return split.reshape(size, heads, n, -1)


class Embedding(nn.Module):
    """Coordinates and their sines and cosines at several wavelengths, mapped to `width`."""

    def __init__(
        self, width: int, wavelengths_um: tuple[float, ...] = (10, 20, 40, 80, 160)
    ) -> None:
        super().__init__()
        frequencies = 2 * torch.pi / torch.tensor(wavelengths_um)
        self.register_buffer("frequencies", frequencies, persistent=False)
        self.project = nn.Linear(3 + 6 * len(wavelengths_um), width)

    def forward(self, zyx_um: Tensor) -> Tensor:
        """Features (..., n, width), in the weights' dtype, of points (..., n, 3) of float32."""
        frequencies: Tensor = self.get_buffer("frequencies")
        angle = (zyx_um.unsqueeze(-1) * frequencies).flatten(-2)
        raw = torch.cat([zyx_um / 40.0, torch.sin(angle), torch.cos(angle)], dim=-1)
        features: Tensor = self.project(raw.to(self.project.weight.dtype))
        return features
