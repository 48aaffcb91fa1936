"""The network: a set transformer over points and colors that gives a table over names.

Attention is relative in space: queries and keys are turned by angles proportional to the three
coordinates (rotary embedding of Su et al. 2021, here in three dimensions), so that scores see
displacements between neurons. Products run in bfloat16; parameters, normalisation and the
residual stream stay in float32.
"""

from __future__ import annotations

import math
from typing import Final

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn
from torch.nn import functional

COLOR_FEATURES: Final = 7
"""Three asinh colors, three ranks, and one flag: 1 where the worm has colors."""

POOLS: Final = 4
"""Learned averages over the neurons that the pose output sees."""

LENGTH_UM: Final = 40.0
"""Unit of the coordinate inputs."""


class NetworkConfig(BaseModel):
    """Sizes of the network."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    width: int = Field(default=192, description="features a neuron")
    layers: int = Field(default=6, description="transformer layers")
    heads: int = Field(default=4, description="attention heads")
    feed_forward: int = Field(
        default=576, description="hidden width of a layer's feed-forward part"
    )
    dropout: float = Field(default=0.1, description="dropout of each branch, in training")
    frequencies: int = Field(default=8, description="Fourier features a coordinate")
    shortest_um: float = Field(
        default=6.0, description="shortest wavelength of the coordinates, µm"
    )
    longest_um: float = Field(
        default=400.0, description="longest wavelength of the coordinates, µm"
    )


class IdentityNetwork(nn.Module):
    """Names and pose from a set of points.

    Parameters
    ----------
    config : NetworkConfig
    name_count : int
        Names the table has; one more column says "none of these".
    """

    fourier: Tensor
    rotary: Tensor

    def __init__(self, config: NetworkConfig, name_count: int) -> None:
        super().__init__()
        self.config = config
        position = 3 + 6 * config.frequencies
        self.position = nn.Linear(position, config.width)
        self.color = nn.Linear(COLOR_FEATURES, config.width, bias=False)
        self.mix = nn.Sequential(nn.GELU(), nn.Linear(config.width, config.width))
        self.layers = nn.ModuleList(_Layer(config) for _ in range(config.layers))
        self.norm = nn.LayerNorm(config.width)
        self.names = nn.Linear(config.width, name_count + 1)
        self.gate = nn.Linear(config.width, POOLS)
        self.pose = nn.Sequential(nn.Linear(POOLS * config.width, 64), nn.GELU(), nn.Linear(64, 2))
        self.register_buffer("fourier", _waves(config, config.frequencies), persistent=False)
        pairs = config.width // config.heads // 6
        self.register_buffer("rotary", _waves(config, pairs), persistent=False)

    def rounded(self) -> IdentityNetwork:
        """Hold the weights of all bfloat16 products as such: for inference, not for training."""
        for module in (self.names, *self.layers.modules()):
            if isinstance(module, nn.Linear):
                module.bfloat16()
        return self

    def forward(self, zyx_um: Tensor, color: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Score names and pose.

        Parameters
        ----------
        zyx_um : Tensor, (b, n, 3)
            In or near the atlas frame, µm.
        color : Tensor, (b, n, COLOR_FEATURES)
        mask : Tensor of bool, (b, n)
            False on padding.

        Returns
        -------
        names : Tensor, (b, n, name_count + 1)
            Logits, last column = none.
        pose : Tensor, (b, 2)
            Logits that the pose and that the handedness are those of the atlas.
        """
        x = self.position(self._position_features(zyx_um)) + self.color(color)
        x = x + self.mix(x)
        turn = self._turn(zyx_um)
        bias = None if bool(mask.all()) else _bias(mask)
        for layer in self.layers:
            x = layer(x, turn, bias)
        x = self.norm(x)
        share = self.gate(x).masked_fill(~mask[..., None], -1e4).softmax(dim=1)
        pooled = (share.transpose(1, 2) @ x).flatten(1)
        return product(x, self.names).float(), self.pose(pooled)

    def _position_features(self, zyx_um: Tensor) -> Tensor:
        angles = (zyx_um[..., None] * self.fourier).flatten(-2)
        return torch.cat([zyx_um / LENGTH_UM, angles.sin(), angles.cos()], dim=-1)

    def _turn(self, zyx_um: Tensor) -> tuple[Tensor, Tensor]:
        angles = (zyx_um[..., None] * self.rotary).flatten(-2)[:, None]
        return angles.cos().bfloat16(), angles.sin().bfloat16()


class _Layer(nn.Module):
    """One pre-norm transformer layer."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.heads = config.heads
        self.dropout = nn.Dropout(config.dropout)
        self.norm_in = nn.LayerNorm(config.width)
        self.qkv = nn.Linear(config.width, 3 * config.width)
        self.out = nn.Linear(config.width, config.width)
        self.norm_mid = nn.LayerNorm(config.width)
        self.up = nn.Linear(config.width, config.feed_forward)
        self.down = nn.Linear(config.feed_forward, config.width)

    def forward(self, x: Tensor, turn: tuple[Tensor, Tensor], bias: Tensor | None) -> Tensor:
        batch, count, width = x.shape
        qkv = product(self.norm_in(x), self.qkv).view(batch, count, 3, self.heads, -1)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)
        scale = 1.0 / math.sqrt(q.shape[-1])
        scores = rotate(q * scale, turn) @ rotate(k, turn).transpose(-1, -2)
        scores = scores if bias is None else scores + bias
        mixed = torch.softmax(scores, dim=-1) @ v
        mixed = mixed.transpose(1, 2).reshape(batch, count, width)
        x = x + self.dropout(product(mixed, self.out))
        hidden = functional.gelu(product(self.norm_mid(x), self.up))
        result: Tensor = x + self.dropout(product(hidden, self.down))
        return result


def _bias(mask: Tensor) -> Tensor:
    """Keep attention off padding, (b, 1, 1, n)."""
    bias = torch.zeros(mask.shape, dtype=torch.bfloat16).masked_fill(~mask, -1e4)
    return bias[:, None, None, :]


def rotate(x: Tensor, turn: tuple[Tensor, Tensor]) -> Tensor:
    """Turn the pairs (first half, second half) of the last axis by the angles of each point."""
    cos, sin = turn
    first, second = x.chunk(2, dim=-1)
    return torch.cat([first * cos - second * sin, first * sin + second * cos], dim=-1)


def product(x: Tensor, layer: nn.Linear) -> Tensor:
    """Apply a linear layer in bfloat16."""
    return functional.linear(x.bfloat16(), layer.weight.bfloat16(), layer.bias.bfloat16())


def _waves(config: NetworkConfig, count: int) -> Tensor:
    """Angular frequencies, rad/µm, geometric from the longest to the shortest wavelength."""
    exponent = torch.linspace(0.0, 1.0, count)
    ratio = config.longest_um / config.shortest_um
    return 2.0 * math.pi / config.longest_um * ratio**exponent
