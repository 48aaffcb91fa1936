"""The networks on the native kernels: one cloud a thread, several clouds side by side.

A lone volume is bound by a library's many calls, not by arithmetic; the kernels go through all
blocks of a level in one.
"""

from __future__ import annotations

import ctypes
import math
import threading
from ctypes import POINTER, Structure, byref, c_int64, c_void_p
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import torch
from torch.nn import functional

from trackbench.plugins.fdnc.attention import MAX_LOG_FACTOR
from trackbench.plugins.fdnc.inference import Scorer, by_head

if TYPE_CHECKING:
    from ctypes import CDLL

    from numpy.typing import NDArray
    from torch import Tensor

    from trackbench.plugins.fdnc.attention import Block, Embedding
    from trackbench.plugins.fdnc.normalise import Floats
    from trackbench.plugins.fdnc.weights import Trained

    Halves = NDArray[np.uint16]
    Masks = NDArray[np.bool_]

__all__ = ["NativeClouds", "NativeEncoded", "NativeNetworks", "packed"]

LANES: Final = 16
PANEL: Final = 64
HEAD: Final = 32
ALIGNMENT: Final = 64


class _Block(Structure):
    _fields_ = [
        (name, c_void_p)
        for name in (
            "first_weight",
            "first_bias",
            "queries",
            "keys",
            "values",
            "factors",
            "keys_for_others",
            "values_for_others",
            "merge",
            "second_weight",
            "second_bias",
            "widen",
            "widen_bias",
            "narrow",
            "narrow_bias",
        )
    ]


class _Network(Structure):
    _fields_ = [
        ("width", c_int64),
        ("feed_forward", c_int64),
        ("waves", c_void_p),
        ("turns", c_void_p),
        ("embed", c_void_p),
        ("blocks", POINTER(_Block)),
    ]


class _Clouds(Structure):
    _fields_ = [
        ("size", c_int64),
        ("counts", c_void_p),
        ("stride", c_int64),
        ("tokens", c_void_p),
        ("turns", c_void_p),
    ]


class _Workspace(Structure):
    _fields_ = [("place", c_void_p), ("bytes", c_int64), ("threads", c_int64)]


def packed(matrix: Tensor) -> Halves:
    """Bring a matrix (k, n) into the order in which the kernels read it, in bfloat16.

    Panels of 64 columns, in a panel pairs of rows, in a pair of rows the columns, each as two
    neighbours; n is filled up with zeros to a multiple of 16, k must be even.
    """
    depth, columns = matrix.shape
    filled = functional.pad(matrix, (0, -columns % LANES)).to(torch.bfloat16).contiguous()
    bits = filled.view(torch.int16).numpy().view(np.uint16)
    panels = [bits[:, first : first + PANEL] for first in range(0, bits.shape[1], PANEL)]
    pairs = [panel.reshape(depth // 2, 2, -1).transpose(0, 2, 1).ravel() for panel in panels]
    return np.concatenate(pairs)


class _Arrays:
    """Arrays whose addresses were given to a structure, which must outlive it."""

    def __init__(self) -> None:
        self.kept: list[NDArray[np.generic]] = []

    def matrix(self, weight: Tensor) -> int:
        """Give the address of a layer's weight (out, in), packed."""
        return self._address(packed(weight.T))

    def floats(self, values: Tensor) -> int:
        """Give the address of float32 values."""
        return self._address(np.array(values.detach().float().numpy(), order="C"))

    def _address(self, array: NDArray[np.generic]) -> int:
        self.kept.append(array)
        return array.ctypes.data


class _Kernel:
    """One network's weights as the kernels want them, and the calls that need them.

    Parameters
    ----------
    library : CDLL
    embed : Embedding
    rotary_frequencies : Tensor, (k,)
    blocks : sequence of Block
    """

    def __init__(
        self, library: CDLL, embed: Embedding, rotary: Tensor, blocks: tuple[Block, ...]
    ) -> None:
        self.library, self.arrays = library, _Arrays()
        self.width = blocks[0].merge.in_features
        weight = embed.project.weight.T
        self.embed_bias = embed.project.bias
        rows = torch.zeros(3 + 2 * LANES, self.width)
        angles = (len(weight) - 3) // 2
        rows[:3], rows[3 : 3 + angles] = weight[:3], weight[3 : 3 + angles]
        rows[3 + LANES : 3 + LANES + angles] = weight[3 + angles :]
        self.blocks = (_Block * len(blocks))(*(self._block(block) for block in blocks))
        self.network = _Network(
            self.width,
            blocks[0].widen.out_features,
            self.arrays.floats(_waves(embed.get_buffer("frequencies"))),
            self.arrays.floats(_waves(rotary)),
            self.arrays.floats(rows),
            self.blocks,
        )
        self._own = threading.local()

    def _block(self, block: Block) -> _Block:
        order = by_head(self.width, block.heads)
        queries, keys, values = block.queries_keys_values.weight.chunk(3)
        factors = block.log_factor.clamp_max(MAX_LOG_FACTOR).exp().flatten() / math.log(2)
        made = _Block(
            first_weight=self.arrays.floats(block.norm_attention.weight),
            first_bias=self.arrays.floats(block.norm_attention.bias),
            queries=self.arrays.matrix(queries[order]),
            keys=self.arrays.matrix(keys[order]),
            values=self.arrays.matrix(values),
            factors=self.arrays.floats(factors),
            merge=self.arrays.matrix(block.merge.weight),
            second_weight=self.arrays.floats(block.norm_feed_forward.weight),
            second_bias=self.arrays.floats(block.norm_feed_forward.bias),
            widen=self.arrays.matrix(block.widen.weight),
            widen_bias=self.arrays.floats(block.widen.bias),
            narrow=self.arrays.matrix(block.narrow.weight),
            narrow_bias=self.arrays.floats(block.narrow.bias),
        )
        if block.keys_values_for_others is not None:
            keys, values = block.keys_values_for_others.weight.chunk(2)
            made.keys_for_others = self.arrays.matrix(keys[order])
            made.values_for_others = self.arrays.matrix(values)
        return made

    def begin(self, zyx_um: Floats, mask: Masks, bias: Floats) -> NativeClouds:
        """Embed clouds (b, n, 3); mask (b, n), points before padding."""
        points = np.ascontiguousarray(zyx_um, dtype=np.float32)
        clouds = NativeClouds.empty(mask.sum(axis=1), self.width, self.library)
        self.library.trackbench_embed(
            byref(self.network),
            byref(clouds.structure()),
            points.ctypes.data,
            points.shape[1],
            bias.ctypes.data,
        )
        return clouds

    def further(
        self, clouds: NativeClouds, last: int, template: NativeEncoded | None = None, first: int = 0
    ) -> None:
        """Bring clouds through the blocks from `first` to before `last`: changes their tokens."""
        others = 0 if template is None else template.count
        memories = None if template is None else template.addresses
        self.library.trackbench_further(
            byref(self.network),
            byref(clouds.structure()),
            first,
            last,
            memories,
            others,
            byref(self.workspace(clouds, others)),
        )

    def workspace(self, clouds: NativeClouds, others: int = 0) -> _Workspace:
        """Give each thread a place to compute in, which a Python thread keeps for later."""
        threads = min(torch.get_num_threads(), len(clouds.counts))
        most = int(clouds.counts.max())
        size = self.library.trackbench_workspace(byref(self.network), most, others)
        place = getattr(self._own, "place", None)
        if place is None or len(place) < size * threads + ALIGNMENT:
            place = self._own.place = np.empty(size * threads + ALIGNMENT, dtype=np.uint8)
        start = place.ctypes.data
        return _Workspace(start + -start % ALIGNMENT, size, threads)


def _waves(frequencies: Tensor) -> Tensor:
    """Waves per µm (3, 16) of angles in the order (z, y, x), (frequency)."""
    count = len(frequencies)
    waves = torch.zeros(3, LANES)
    for axis in range(3):
        waves[axis, axis * count : (axis + 1) * count] = frequencies / (2 * math.pi)
    return waves


@dataclass(frozen=True, eq=False)
class NativeClouds:
    """Clouds on their way through the blocks.

    Parameters
    ----------
    counts : (b,) array of int64
        Points of each.
    tokens : (b, rows, width) array of float32
    turns : (b, rows, 32) array of float32
    """

    counts: NDArray[np.int64]
    tokens: Floats
    turns: Floats

    @classmethod
    def empty(cls, counts: NDArray[np.integer], width: int, library: CDLL) -> NativeClouds:
        """Make room for clouds."""
        if not len(counts) or counts.min() < 1:
            raise ValueError("a cloud without points has no tokens")
        rows = library.trackbench_rows(int(counts.max()))
        tokens = np.empty((len(counts), rows, width), dtype=np.float32)
        turns = np.empty((len(counts), rows, HEAD), dtype=np.float32)
        return cls(counts.astype(np.int64), tokens, turns)

    def structure(self) -> _Clouds:
        """Give the addresses, which are good as long as this lives."""
        return _Clouds(
            len(self.counts),
            self.counts.ctypes.data,
            self.tokens.shape[1],
            self.tokens.ctypes.data,
            self.turns.ctypes.data,
        )


@dataclass(frozen=True, eq=False)
class _NativeScorer:
    """A level's `inference.Scorer`, packed; columns are filled up to a multiple of 16."""

    weight: Halves
    bias: Floats

    @classmethod
    def of(cls, scorer: Scorer) -> _NativeScorer:
        bias = scorer.bias.numpy()
        return cls(packed(scorer.weight.T), np.pad(bias, (0, -len(bias) % LANES)))


@dataclass(frozen=True, eq=False)
class NativeEncoded:
    """What tests meet of one template.

    Parameters
    ----------
    count : int
        Points of the template.
    memories : tuple of arrays
        One a block.
    scorers : tuple
        One a level.
    alone : tuple of (n,) arrays of float32
        Scores of having no partner, a level each.
    """

    count: int
    memories: tuple[Halves, ...]
    scorers: tuple[_NativeScorer, ...]
    alone: tuple[Floats, ...]

    @property
    def addresses(self) -> ctypes.Array[c_void_p]:
        """Of the memories."""
        return (c_void_p * len(self.memories))(*(one.ctypes.data for one in self.memories))


class NativeNetworks:
    """Both networks; see `networks.Networks`.

    Parameters
    ----------
    library : CDLL
    trained : Trained
        In float32.
    """

    def __init__(self, library: CDLL, trained: Trained) -> None:
        self.library = _declared(library)
        poses, matching = trained.poses, trained.network
        self.head = poses.head
        self.matching = matching
        self.levels = matching.levels
        frequencies = poses.rotary.get_buffer("frequencies")
        self.pose = _Kernel(library, poses.embed, frequencies, poses.trained_blocks)
        frequencies = matching.rotary.get_buffer("frequencies")
        self.match = _Kernel(library, matching.embed, frequencies, matching.trained_blocks)
        self.pose_bias = _floats(self.pose.embed_bias)
        self.roles = [_floats(self.match.embed_bias + role) for role in matching.role]
        self.norm = _floats(poses.norm.weight), _floats(poses.norm.bias)
        filled = (0, -len(self.head.bias) % LANES)
        self.pooled = _floats(functional.pad(self.head.weight.T, filled))
        self.pooled_bias = _floats(functional.pad(self.head.bias, filled))

    @staticmethod
    def fits(trained: Trained) -> bool:
        """Say whether the kernels are made for networks of such sizes."""
        blocks = (*trained.poses.trained_blocks, *trained.network.trained_blocks)
        heads = all(block.merge.in_features == HEAD * block.heads for block in blocks)
        inner = all(block.widen.out_features % HEAD == 0 for block in blocks)
        return heads and inner

    def look_at_pose(self, zyx_um: Floats, mask: Masks) -> tuple[Floats, Floats]:
        """Guess slopes (b, 2) and logits (b, 2, ROLL_BINS) of clouds (b, n, 3)."""
        clouds = self.pose.begin(zyx_um, mask, self.pose_bias)
        self.pose.further(clouds, len(self.pose.blocks))
        columns = len(self.pooled_bias)
        raw = np.empty((len(mask), columns), dtype=np.float32)
        scratch = np.empty(2 * self.pose.width, dtype=np.float32)
        self.library.trackbench_pool(
            byref(self.pose.network),
            byref(clouds.structure()),
            self.norm[0].ctypes.data,
            self.norm[1].ctypes.data,
            self.pooled.ctypes.data,
            self.pooled_bias.ctypes.data,
            columns,
            raw.ctypes.data,
            scratch.ctypes.data,
        )
        used = len(self.head.bias)
        return raw[:, :2], raw[:, 2:used].reshape(len(mask), 2, -1)

    def encode(self, zyx_um: Floats, *, temperature: float, none_bias: float) -> NativeEncoded:
        """Make what tests meet of a template (n, 3)."""
        count = len(zyx_um)
        size = self.library.trackbench_memory(self.match.width, count)
        clouds = self.match.begin(zyx_um[None], np.ones((1, count), dtype=np.bool_), self.roles[0])
        memories, scorers = [], []
        for depth in range(len(self.match.blocks)):
            memory = np.empty(size, dtype=np.uint16)
            self.library.trackbench_remember(
                byref(self.match.network),
                byref(clouds.structure()),
                depth,
                memory.ctypes.data,
                byref(self.match.workspace(clouds)),
            )
            memories.append(memory)
            self.match.further(clouds, depth + 1, first=depth)
            if depth + 1 in self.levels:
                head, tokens = self.matching.head_of(depth + 1), torch.from_numpy(clouds.tokens)
                scorers.append(
                    Scorer.of(head, tokens[0, :count], temperature=temperature, none_bias=none_bias)
                )
        return NativeEncoded(
            count,
            tuple(memories),
            tuple(_NativeScorer.of(scorer) for scorer in scorers),
            tuple(scorer.template_alone.numpy() for scorer in scorers),
        )

    def scores(self, template: NativeEncoded, zyx_um: Floats, mask: Masks, level: int) -> Floats:
        """Score tests (b, m, 3) with mask (b, m) at a level: (b, m or more, n + 1)."""
        clouds = self.match.begin(zyx_um, mask, self.roles[1])
        self.match.further(clouds, self.levels[level], template)
        scorer = template.scorers[level]
        scores = np.empty((*clouds.tokens.shape[:2], len(scorer.bias)), dtype=np.float32)
        self.library.trackbench_score(
            byref(self.match.network),
            byref(clouds.structure()),
            scorer.weight.ctypes.data,
            scorer.bias.ctypes.data,
            len(scorer.bias),
            scores.ctypes.data,
            byref(self.match.workspace(clouds)),
        )
        return scores[..., : template.count + 1]


def _floats(values: Tensor) -> Floats:
    return np.array(values.detach().float().numpy(), dtype=np.float32, order="C")


def _declared(library: CDLL) -> CDLL:
    """State what the functions take: unstated, a number of 64 bits would lose half of them."""
    for name in ("trackbench_rows", "trackbench_workspace", "trackbench_memory"):
        getattr(library, name).restype = c_int64
    library.trackbench_rows.argtypes = [c_int64]
    library.trackbench_workspace.argtypes = [c_void_p, c_int64, c_int64]
    library.trackbench_memory.argtypes = [c_int64, c_int64]
    library.trackbench_embed.argtypes = [c_void_p, c_void_p, c_void_p, c_int64, c_void_p]
    library.trackbench_further.argtypes = [
        c_void_p,
        c_void_p,
        c_int64,
        c_int64,
        c_void_p,
        c_int64,
        c_void_p,
    ]
    library.trackbench_remember.argtypes = [c_void_p, c_void_p, c_int64, c_void_p, c_void_p]
    library.trackbench_score.argtypes = [
        c_void_p,
        c_void_p,
        c_void_p,
        c_void_p,
        c_int64,
        c_void_p,
        c_void_p,
    ]
    library.trackbench_pool.argtypes = [
        c_void_p,
        c_void_p,
        c_void_p,
        c_void_p,
        c_void_p,
        c_void_p,
        c_int64,
        c_void_p,
        c_void_p,
    ]
    for name in ("embed", "further", "remember", "score", "pool"):
        getattr(library, f"trackbench_{name}").restype = None
    return library
