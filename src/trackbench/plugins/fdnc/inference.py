"""The networks as the matcher runs them in torch: the functions that were trained, in fewer passes.

Tests go through the blocks together; a template's part of every block is made once. A pass over
features costs about as much as a tenth of the products, so those that can be are joined: the
two features that a rotation mixes lie in one head, heads come before tests (one product serves
all tests that look at a template, another each test's own points), and what multiplies a
template's features in the scores is multiplied into the layer that makes them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.nn import functional

from trackbench.plugins.fdnc.attention import MAX_LOG_FACTOR, Memory

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from torch import Tensor

    from trackbench.plugins.fdnc.attention import Block, Embedding, Rotary
    from trackbench.plugins.fdnc.network import Head, MatchingNetwork
    from trackbench.plugins.fdnc.normalise import Floats
    from trackbench.plugins.fdnc.posenet import PoseNet
    from trackbench.plugins.fdnc.weights import Trained

__all__ = [
    "FastBlock",
    "FastMatching",
    "FastPose",
    "Place",
    "Scorer",
    "TorchEncoded",
    "TorchNetworks",
    "by_head",
]


@dataclass(frozen=True, eq=False)
class Place:
    """What blocks need of clouds beside the tokens.

    Parameters
    ----------
    cosine, sine : Tensor, (b, n, 1, 1, 2, d / 2)
        By which halves of a head's features are turned; the sine of the first half is negative.
    values : Tensor, (heads, b, n, d + 1)
        Where blocks put values; the last column is 1 for points and 0 for padding.
    """

    cosine: Tensor
    sine: Tensor
    values: Tensor

    @classmethod
    def of(cls, rotary: Rotary, zyx_um: Floats, mask: Tensor, dtype: torch.dtype) -> Place:
        """Prepare clouds (b, n, 3) with mask (b, n) of bool, which is on the device to use."""
        angle = _angles(zyx_um, rotary.get_buffer("frequencies"))
        half = angle.shape[-1] + rotary.unturned
        turns = np.zeros((2, *zyx_um.shape[:2], 2, half), dtype=np.float32)
        turns[0] = 1.0
        turns[0, ..., : angle.shape[-1]] = np.cos(angle)[..., None, :]
        sine = np.sin(angle)
        turns[1, ..., 0, : angle.shape[-1]], turns[1, ..., 1, : angle.shape[-1]] = -sine, sine
        cosine, sine = torch.from_numpy(turns).to(mask.device, dtype).unsqueeze(3).unsqueeze(3)
        shape = (rotary.heads, *mask.shape, 2 * half + 1)
        values = torch.empty(shape, dtype=dtype, device=mask.device)
        values[..., -1] = mask
        return cls(cosine, sine, values)


def _angles(zyx_um: Floats, frequencies: Tensor) -> Floats:
    """Products (b, n, 3 * k) of points (b, n, 3) and frequencies (k,)."""
    own: Floats = frequencies.cpu().numpy().astype(np.float32)
    products: Floats = zyx_um[..., None] * own
    return products.reshape(*zyx_um.shape[:2], -1)


def _embedded(embed: Embedding, zyx_um: Floats, role: Tensor | float = 0.0) -> Tensor:
    """Compute what `attention.Embedding` does, plus a role: tokens (b, n, width)."""
    angle = _angles(zyx_um, embed.get_buffer("frequencies"))
    raw = np.concatenate([zyx_um / np.float32(40.0), np.sin(angle), np.cos(angle)], axis=2)
    weight, bias = embed.project.weight, embed.project.bias
    features = torch.from_numpy(raw).to(weight.device, weight.dtype).flatten(0, 1)
    tokens = torch.addmm(bias + role, features, weight.T)
    return tokens.view(*zyx_um.shape[:2], -1)


class FastBlock:
    """A trained block; `attention.Block` says what it computes.

    Parameters
    ----------
    block : Block
    """

    def __init__(self, block: Block) -> None:
        self.heads, self.width = block.heads, block.merge.in_features
        order = by_head(self.width, block.heads)
        queries, keys, self.to_values = block.queries_keys_values.weight.chunk(3)
        self.to_queries_keys = torch.cat([queries[order], keys[order]])
        self.factor = block.log_factor.clamp_max(MAX_LOG_FACTOR).exp().unsqueeze(-1)
        self.first_norm = block.norm_attention.weight, block.norm_attention.bias
        self.second_norm = block.norm_feed_forward.weight, block.norm_feed_forward.bias
        self.merge, self.narrow = block.merge.weight.T, block.narrow.weight.T
        self.widen = block.widen.weight, block.widen.bias
        self.narrow_bias = block.narrow.bias
        if block.keys_values_for_others is not None:
            keys, self.to_values_for_others = block.keys_values_for_others.weight.chunk(2)
            self.to_keys_for_others = keys[order].contiguous()

    def memory(self, tokens: Tensor, place: Place) -> Memory:
        """Make what tests see of one template, from the same tokens that a call takes."""
        seen = torch.layer_norm(tokens, (self.width,), *self.first_norm)
        keys = self._turned(functional.linear(seen, self.to_keys_for_others), place)[0]
        own = Place(place.cosine, place.sine, place.values.clone())
        values = self._values(functional.linear(seen, self.to_values_for_others), own)
        return Memory(keys.flatten(1, 2), values.flatten(1, 2))

    def __call__(self, tokens: Tensor, place: Place, template: Memory | None = None) -> Tensor:
        """Update tokens (b, n, width); all tests look at the same template."""
        size, n, width = tokens.shape
        seen = torch.layer_norm(tokens, (width,), *self.first_norm)
        queries, keys = self._turned(functional.linear(seen, self.to_queries_keys), place)
        queries.mul_(self.factor)
        values = self._values(functional.linear(seen, self.to_values), place).flatten(0, 1)
        scores = torch.bmm(queries.flatten(0, 1), keys.flatten(0, 1).mT)
        mixed = torch.bmm(scores.exp_(), values).view(self.heads, size * n, -1)
        if template is not None:
            scores = torch.bmm(queries.flatten(1, 2), template.keys.mT)
            mixed.baddbmm_(scores.exp_(), template.values)
        merged = tokens.new_empty(size * n, self.heads, width // self.heads)
        torch.div(mixed[..., :-1], mixed[..., -1:], out=merged.transpose(0, 1))
        flat = torch.addmm(tokens.view(-1, width), merged.flatten(1), self.merge)
        inner = torch.layer_norm(flat, (width,), *self.second_norm)
        inner = functional.linear(inner, *self.widen).relu_()
        flat.addmm_(inner.mul_(inner), self.narrow).add_(self.narrow_bias)
        return flat.view(size, n, width)

    def _turned(self, features: Tensor, place: Place) -> Tensor:
        """Normalise features (b, n, k * width), turn them: (k, heads, b, n, d)."""
        size, n, _ = features.shape
        width = self.width
        normal = torch.layer_norm(features.view(size, n, -1, width), (width,))
        halves = normal.view(size, n, -1, self.heads, 2, width // self.heads // 2)
        turned = features.new_empty(*halves.shape[2:4], size, n, width // self.heads)
        into = turned.view(*turned.shape[:-1], 2, -1).permute(2, 3, 0, 1, 4, 5)
        torch.mul(halves, place.cosine, out=into)
        into.addcmul_(halves.flip(-2), place.sine)
        return turned

    def _values(self, features: Tensor, place: Place) -> Tensor:
        """Put features (b, n, width) into the place's values, padding as 0."""
        split = features.view(*features.shape[:2], self.heads, -1).permute(2, 0, 1, 3)
        torch.mul(split, place.values[..., -1:], out=place.values[..., :-1])
        return place.values


def by_head(width: int, heads: int) -> Tensor:
    """Give the order in which both halves of a head's features stand together."""
    return torch.arange(width).view(2, heads, -1).transpose(0, 1).flatten()


class FastPose:
    """The trained pose network; `posenet.PoseNet` says what it computes."""

    def __init__(self, network: PoseNet) -> None:
        self.trained = network
        self.blocks = [FastBlock(block) for block in network.trained_blocks]

    def __call__(self, zyx_um: Floats, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Slope and logits, see `posenet.PoseGuess`, of clouds (b, n, 3) with mask (b, n)."""
        network = self.trained
        tokens = _embedded(network.embed, zyx_um)
        place = Place.of(network.rotary, zyx_um, mask, tokens.dtype)
        for block in self.blocks:
            tokens = block(tokens, place)
        guess = network.pooled(tokens, mask)
        return guess.slope, guess.logits


@dataclass(frozen=True, eq=False)
class Scorer:
    """Scores of a level against one template, as one layer.

    Parameters
    ----------
    weight, bias : Tensor, (n + 1, width) and (n + 1,)
        From a test's tokens, normalised, to its scores; the last is that of no partner.
    template_alone : Tensor, (n,) of float32
    """

    weight: Tensor
    bias: Tensor
    template_alone: Tensor

    @classmethod
    def of(cls, head: Head, tokens: Tensor, *, temperature: float, none_bias: float) -> Scorer:
        """Join a level's layers with the tokens (n, width) of a template."""
        columns = head.template(head.norm(tokens)).float()
        weight, bias = head.test.weight.float(), head.test.bias.float()
        pairs = columns[:, :-1] * (head.scale / temperature)
        weight = torch.cat([pairs @ weight[:-1], weight[-1:] / temperature])
        alone = (bias[-1:] + none_bias) / temperature
        bias = torch.cat([pairs @ bias[:-1], alone]) + weight @ head.norm.bias.float()
        weight = weight * head.norm.weight.float()
        alone = (columns[:, -1] + none_bias) / temperature
        return cls(weight.to(tokens.dtype), bias.to(tokens.dtype), alone)

    def __call__(self, tokens: Tensor) -> Tensor:
        """Score tokens (b, m, width): (b, m, n + 1) of float32."""
        normal = functional.layer_norm(tokens, tokens.shape[-1:])
        return functional.linear(normal, self.weight, self.bias).float()


class FastMatching:
    """The trained matching network; `network.MatchingNetwork` says what it computes."""

    def __init__(self, network: MatchingNetwork) -> None:
        self.trained = network
        self.blocks = [FastBlock(block) for block in network.trained_blocks]
        self.levels = network.levels

    def encode(
        self, zyx_um: Floats, *, temperature: float, none_bias: float
    ) -> tuple[tuple[Memory, ...], tuple[Scorer, ...]]:
        """Make what tests see of a template (n, 3): a memory a block, a scorer a level."""
        device = self.trained.role.device
        everywhere = torch.ones(1, len(zyx_um), dtype=torch.bool, device=device)
        tokens, place = self._start(zyx_um[None], everywhere, 0)
        memories, scorers = [], []
        for depth, block in enumerate(self.blocks, start=1):
            memories.append(block.memory(tokens, place))
            tokens = block(tokens, place)
            if depth in self.levels:
                head = self.trained.head_of(depth)
                scorers.append(
                    Scorer.of(head, tokens[0], temperature=temperature, none_bias=none_bias)
                )
        return tuple(memories), tuple(scorers)

    def compare(
        self, memories: Sequence[Memory], zyx_um: Floats, mask: Tensor, depth: int
    ) -> Tensor:
        """Tokens of tests (b, m, 3) with mask (b, m) of bool after so many blocks."""
        tokens, place = self._start(zyx_um, mask, 1)
        for block, memory in zip(self.blocks[:depth], memories, strict=False):
            tokens = block(tokens, place, memory)
        return tokens

    def _start(self, zyx_um: Floats, mask: Tensor, role: int) -> tuple[Tensor, Place]:
        network = self.trained
        tokens = _embedded(network.embed, zyx_um, network.role[role])
        return tokens, Place.of(network.rotary, zyx_um, mask, tokens.dtype)


@dataclass(frozen=True, eq=False)
class TorchEncoded:
    """What tests meet of one template: a memory a block, a scorer a level."""

    memories: tuple[Memory, ...]
    scorers: tuple[Scorer, ...]

    @property
    def alone(self) -> tuple[Floats, ...]:
        """Scores of the template's neurons to have no partner, a level each."""
        return tuple(scorer.template_alone.cpu().numpy() for scorer in self.scorers)


class TorchNetworks:
    """Both networks wherever torch runs; see `networks.Networks`.

    Parameters
    ----------
    trained : Trained
        On the device and in the precision in which they compute.
    """

    def __init__(self, trained: Trained) -> None:
        self.device = trained.network.role.device
        self.poses, self.matching = FastPose(trained.poses), FastMatching(trained.network)
        self.levels = self.matching.levels

    def look_at_pose(self, zyx_um: Floats, mask: NDArray[np.bool_]) -> tuple[Floats, Floats]:
        """Guess slopes and logits of clouds."""
        slope, logits = self.poses(zyx_um, torch.as_tensor(mask, device=self.device))
        return slope.cpu().numpy(), logits.cpu().numpy()

    def encode(self, zyx_um: Floats, *, temperature: float, none_bias: float) -> TorchEncoded:
        """Make what tests meet of a template."""
        return TorchEncoded(
            *self.matching.encode(zyx_um, temperature=temperature, none_bias=none_bias)
        )

    def scores(
        self, template: TorchEncoded, zyx_um: Floats, mask: NDArray[np.bool_], level: int
    ) -> Floats:
        """Score tests at a level."""
        there = torch.as_tensor(mask, device=self.device)
        tokens = self.matching.compare(template.memories, zyx_um, there, self.levels[level])
        scores: Floats = template.scorers[level](tokens).cpu().numpy()
        return scores
