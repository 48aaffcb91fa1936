"""The networks on the native kernels: several clouds side by side, a lone one on all threads.

A lone volume is bound by a library's many calls, not by arithmetic; the kernels bring clouds from
points to scores in one.
"""

from __future__ import annotations

from ctypes import Structure, byref, c_int64, c_void_p
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from trackbench.plugins.fdnc.inference import Scorer
from trackbench.plugins.fdnc.native_calls import checked, declared
from trackbench.plugins.fdnc.native_packing import (
    HEAD,
    LANES,
    Layer,
    PackedClouds,
    PackedNetwork,
    filled,
    floats,
    packed,
)

if TYPE_CHECKING:
    from ctypes import CDLL

    from torch import Tensor

    from trackbench.plugins.fdnc.native_packing import Halves, Masks
    from trackbench.plugins.fdnc.normalise import Floats
    from trackbench.plugins.fdnc.weights import Trained

__all__ = ["NativeEncoded", "NativeNetworks"]


class _Template(Structure):
    _fields_ = [("count", c_int64), ("memories", c_void_p), ("scorer", Layer)]


class _Packed:
    """A linear layer's weight and bias, columns filled up to a multiple of 16."""

    def __init__(self, weight: Halves | Floats, bias: Tensor) -> None:
        self.weight, self.bias = weight, floats(filled(bias))
        self.layer = Layer(self.weight.ctypes.data, self.bias.ctypes.data, len(self.bias))


@dataclass(frozen=True, eq=False)
class NativeEncoded:
    """What tests meet of one template.

    Parameters
    ----------
    count : int
        Points of the template.
    memories : (blocks, k) array of uint16
        Its keys and values in every block.
    scorers : tuple
        `inference.Scorer`, packed, one a level.
    alone : tuple of (n,) arrays of float32
        Scores of having no partner, a level each.
    """

    count: int
    memories: Halves
    scorers: tuple[_Packed, ...]
    alone: tuple[Floats, ...]


class NativeNetworks:
    """Both networks; see `networks.Networks`.

    Parameters
    ----------
    library : CDLL
    trained : Trained
        In float32, with sizes that `fits`.
    """

    def __init__(self, library: CDLL, trained: Trained) -> None:
        poses, matching = trained.poses, trained.network
        self.kernels = declared(library)
        self.matching, self.levels = matching, matching.levels
        self.pose, self.match = (
            PackedNetwork(one.embed, one.rotary.get_buffer("frequencies"), one.trained_blocks)
            for one in (poses, matching)
        )
        self.pose_bias = floats(poses.embed.project.bias)
        self.roles = [floats(matching.embed.project.bias + role) for role in matching.role]
        self.norm = floats(torch.stack([poses.norm.weight, poses.norm.bias]))
        self.slopes_and_logits = len(poses.head.bias)
        self.pooled = _Packed(floats(filled(poses.head.weight.T)), poses.head.bias)

    @staticmethod
    def fits(trained: Trained) -> bool:
        """Say whether the kernels are made for networks of such sizes."""
        blocks = (*trained.poses.trained_blocks, *trained.network.trained_blocks)
        heads = all(block.merge.in_features == HEAD * block.heads for block in blocks)
        inner = all(block.widen.out_features % LANES == 0 for block in blocks)
        return heads and inner

    def look_at_pose(self, zyx_um: Floats, mask: Masks) -> tuple[Floats, Floats]:
        """Guess slopes (b, 2) and logits (b, 2, ROLL_BINS) of clouds (b, n, 3)."""
        clouds = PackedClouds(zyx_um, mask)
        raw = np.empty((len(mask), self.pooled.layer.columns), dtype=np.float32)
        checked(
            self.kernels.trackbench_pose(
                self.pose.address,
                clouds.address,
                self.pose_bias.ctypes.data,
                (c_void_p * 2)(*(row.ctypes.data for row in self.norm)),
                byref(self.pooled.layer),
                raw.ctypes.data,
                torch.get_num_threads(),
            )
        )
        return raw[:, :2], raw[:, 2 : self.slopes_and_logits].reshape(len(mask), 2, -1)

    def encode(self, zyx_um: Floats, *, temperature: float, none_bias: float) -> NativeEncoded:
        """Make what tests meet of a template (n, 3)."""
        count = len(zyx_um)
        clouds = PackedClouds(zyx_um[None], np.ones((1, count), dtype=np.bool_))
        memories = np.empty((self.match.depth, self._memory(count)), dtype=np.uint16)
        tokens = np.empty((self.match.depth, count, self.match.width), dtype=np.float32)
        checked(
            self.kernels.trackbench_encode(
                self.match.address,
                clouds.address,
                self.roles[0].ctypes.data,
                memories.ctypes.data,
                tokens.ctypes.data,
                torch.get_num_threads(),
            )
        )
        scorers = [
            Scorer.of(
                self.matching.head_of(depth),
                torch.from_numpy(tokens[depth - 1]),
                temperature=temperature,
                none_bias=none_bias,
            )
            for depth in self.levels
        ]
        return NativeEncoded(
            count,
            memories,
            tuple(_Packed(packed(scorer.weight.T), scorer.bias) for scorer in scorers),
            tuple(scorer.template_alone.numpy() for scorer in scorers),
        )

    def scores(self, template: NativeEncoded, zyx_um: Floats, mask: Masks, level: int) -> Floats:
        """Score tests (b, m, 3) with mask (b, m) at a level: (b, m, n + 1), padding undefined.

        Raises
        ------
        ValueError
            Tests that aren't such, a template of a network of other sizes.
        """
        if template.memories.shape != (self.match.depth, self._memory(template.count)):
            raise ValueError("the template was encoded by a network of other sizes")
        clouds, scorer = PackedClouds(zyx_um, mask), template.scorers[level].layer
        scores = np.empty((*mask.shape, scorer.columns), dtype=np.float32)
        checked(
            self.kernels.trackbench_scores(
                self.match.address,
                clouds.address,
                self.roles[1].ctypes.data,
                byref(_Template(template.count, template.memories.ctypes.data, scorer)),
                self.levels[level],
                scores.ctypes.data,
                torch.get_num_threads(),
            )
        )
        return scores[..., : template.count + 1]

    def _memory(self, count: int) -> int:
        """Numbers that a block keeps of a template of so many points."""
        size: int = self.kernels.trackbench_memory(self.match.width, count)
        return size
