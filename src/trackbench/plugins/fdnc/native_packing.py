"""Weights and clouds in the order and the structures in which the native kernels read them."""

from __future__ import annotations

import math
from ctypes import POINTER, Structure, byref, c_int64, c_void_p
from typing import TYPE_CHECKING, Final

import numpy as np
import torch
from torch.nn import functional

from trackbench.plugins.fdnc.attention import MAX_LOG_FACTOR
from trackbench.plugins.fdnc.inference import by_head

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from torch import Tensor

    from trackbench.plugins.fdnc.attention import Block, Embedding
    from trackbench.plugins.fdnc.normalise import Floats

    Halves = NDArray[np.uint16]
    Masks = NDArray[np.bool_]

__all__ = ["HEAD", "LANES", "Layer", "PackedClouds", "PackedNetwork", "filled", "floats", "packed"]

LANES: Final = 16
PANEL: Final = 64
HEAD: Final = 32
"""Features of a head."""


def floats(values: Tensor) -> Floats:
    """Bring values to float32 in one piece of memory of their own."""
    return np.array(values.detach().numpy(), dtype=np.float32, order="C")


def filled(values: Tensor) -> Tensor:
    """Fill the last axis up with zeros to a multiple of 16."""
    return functional.pad(values, (0, -values.shape[-1] % LANES))


def packed(matrix: Tensor) -> Halves:
    """Bring a matrix (k, n) into the order in which products read it, in bfloat16.

    Panels of 64 columns, in a panel pairs of rows, in a pair of rows the columns, each as two
    neighbours; n is filled up with zeros to a multiple of 16, k must be even.
    """
    depth = len(matrix)
    bits = filled(matrix).to(torch.bfloat16).contiguous().view(torch.int16).numpy()
    panels = [bits[:, first : first + PANEL] for first in range(0, bits.shape[1], PANEL)]
    pairs = [panel.reshape(depth // 2, 2, -1).transpose(0, 2, 1).ravel() for panel in panels]
    return np.concatenate(pairs).view(np.uint16)


class Layer(Structure):
    """A linear layer: addresses of its weight and bias, number of its columns."""

    _fields_ = [("weight", c_void_p), ("bias", c_void_p), ("columns", c_int64)]


class _Block(Structure):
    _fields_ = [
        (name, c_void_p)
        for name in (
            *("first_weight", "first_bias"),
            *("queries", "keys", "values", "factors"),
            *("keys_for_others", "values_for_others"),
            "merge",
            *("second_weight", "second_bias"),
            *("widen", "widen_bias", "narrow", "narrow_bias"),
        )
    ]


class _Network(Structure):
    _fields_ = [
        *((name, c_int64) for name in ("width", "feed_forward", "depth")),
        *((name, c_void_p) for name in ("waves", "turns", "embed")),
        ("blocks", POINTER(_Block)),
    ]


class _Clouds(Structure):
    _fields_ = [
        ("size", c_int64),
        ("stride", c_int64),
        ("counts", c_void_p),
        ("zyx_um", c_void_p),
    ]


class PackedNetwork:
    """A network's weights, packed.

    Parameters
    ----------
    embed : Embedding
    rotary : Tensor, (k,)
        Frequencies per µm by which queries and keys are turned.
    blocks : sequence of Block
    """

    def __init__(self, embed: Embedding, rotary: Tensor, blocks: Sequence[Block]) -> None:
        self._kept: list[NDArray[np.generic]] = []
        self.width, self.depth = blocks[0].merge.in_features, len(blocks)
        self.structure = _Network(
            width=self.width,
            feed_forward=blocks[0].widen.out_features,
            depth=self.depth,
            waves=self._floats(_waves(embed.get_buffer("frequencies"))),
            turns=self._floats(_waves(rotary)),
            embed=self._floats(_embedding(embed)),
            blocks=(_Block * self.depth)(*(self._block(block) for block in blocks)),
        )
        self.address = byref(self.structure)

    def _block(self, block: Block) -> _Block:
        order = by_head(self.width, block.heads)
        queries, keys, values = block.queries_keys_values.weight.chunk(3)
        factors = block.log_factor.clamp_max(MAX_LOG_FACTOR).exp().flatten() / math.log(2)
        made = _Block(
            first_weight=self._floats(block.norm_attention.weight),
            first_bias=self._floats(block.norm_attention.bias),
            queries=self._matrix(queries[order]),
            keys=self._matrix(keys[order]),
            values=self._matrix(values),
            factors=self._floats(factors),
            merge=self._matrix(block.merge.weight),
            second_weight=self._floats(block.norm_feed_forward.weight),
            second_bias=self._floats(block.norm_feed_forward.bias),
            widen=self._matrix(block.widen.weight),
            widen_bias=self._floats(block.widen.bias),
            narrow=self._matrix(block.narrow.weight),
            narrow_bias=self._floats(block.narrow.bias),
        )
        if block.keys_values_for_others is not None:
            keys, values = block.keys_values_for_others.weight.chunk(2)
            made.keys_for_others = self._matrix(keys[order])
            made.values_for_others = self._matrix(values)
        return made

    def _matrix(self, weight: Tensor) -> int:
        """Keep a layer's weight (out, in), packed, and give its address."""
        return self._address(packed(weight.T))

    def _floats(self, values: Tensor) -> int:
        return self._address(floats(values))

    def _address(self, array: NDArray[np.generic]) -> int:
        self._kept.append(array)
        return array.ctypes.data


def _embedding(embed: Embedding) -> Tensor:
    """Weights (3 + 16 + 16, width) of positions, sines, cosines."""
    weight = embed.project.weight.T
    angles = (len(weight) - 3) // 2
    rows = torch.zeros(3 + 2 * LANES, weight.shape[1])
    rows[:3], rows[3 : 3 + angles] = weight[:3], weight[3 : 3 + angles]
    rows[3 + LANES : 3 + LANES + angles] = weight[3 + angles :]
    return rows


def _waves(frequencies: Tensor) -> Tensor:
    """Waves per µm (3, 16) of angles in the order (z, y, x), (frequency)."""
    count = len(frequencies)
    waves = torch.zeros(3, LANES)
    for axis in range(3):
        waves[axis, axis * count : (axis + 1) * count] = frequencies / (2 * math.pi)
    return waves


class PackedClouds:
    """Clouds that were looked over: the kernels trust what they are given.

    Parameters
    ----------
    zyx_um : (b, n, 3) array
    mask : (b, n) array of bool
        Points, one or more, then padding.

    Raises
    ------
    ValueError
        Other shapes, no cloud, a cloud without a point, a point behind padding.
    """

    def __init__(self, zyx_um: Floats, mask: Masks) -> None:
        self.points = np.ascontiguousarray(zyx_um, dtype=np.float32)
        there = np.asarray(mask, dtype=np.bool_)
        if self.points.ndim != 3 or self.points.shape != (*there.shape, 3):
            raise ValueError(
                f"clouds of shape {self.points.shape} with a mask of shape {there.shape}"
            )
        self.counts = there.sum(axis=1, dtype=np.int64)
        if not self.counts.all() or not self.counts.size:
            raise ValueError("a cloud has no points")
        if (there != (np.arange(there.shape[1]) < self.counts[:, None])).any():
            raise ValueError("a cloud has points behind its padding")
        self.structure = _Clouds(*there.shape, self.counts.ctypes.data, self.points.ctypes.data)
        self.address = byref(self.structure)
