"""The matching network: a template is encoded once, tests attend to it layer by layer.

Template and test share all weights. The template's tokens see only the template, so its keys
and values can be kept for any number of tests; a test's tokens see the test and the template in
one softmax. Positions are in the anatomical frame that `posenet` gives.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from trackbench.plugins.fdnc.attention import (
    Block,
    Embedding,
    Memory,
    Rotary,
    Turns,
    blocks_in,
)


@dataclass(frozen=True, eq=False)
class Architecture:
    """Sizes of the network.

    Parameters
    ----------
    width, layers, heads, feed_forward : int
    names : int
        How many names the auxiliary output tells apart; used in training only.
    deep : tuple of int
        Blocks after which training scores the correspondence as well.
    """

    width: int = 128
    layers: int = 6
    heads: int = 4
    feed_forward: int = 384
    names: int = 0
    deep: tuple[int, ...] = (2,)


@dataclass(frozen=True, eq=False)
class EncodedTemplate:
    """A batch of templates as tests see them.

    Parameters
    ----------
    memories : tuple of Memory
        One a layer.
    outputs : tuple of Tensor, (g, n, width)
        Tokens after the blocks in `deep`, then the last.
    mask : Tensor of bool, (g, n)
    """

    memories: tuple[Memory, ...]
    outputs: tuple[Tensor, ...]
    mask: Tensor


@dataclass(frozen=True, eq=False)
class Scores:
    """Unnormalised correspondence scores of tests (b, m) and their templates (b, n).

    Parameters
    ----------
    pairs : Tensor, (b, m, n)
    test_alone, template_alone : Tensor, (b, m) and (b, n)
        Scores of having no partner.
    """

    pairs: Tensor
    test_alone: Tensor
    template_alone: Tensor


class MatchingNetwork(nn.Module):
    """Pre-norm transformer with rotary positions; see the module's docstring."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        width, heads = architecture.width, architecture.heads
        self.architecture = architecture
        self.embed = Embedding(width)
        self.role = nn.Parameter(0.1 * torch.randn(2, width))
        self.rotary = Rotary(heads, width // heads)
        self.blocks = nn.ModuleList(
            Block(width, heads, architecture.feed_forward, crosses=True)
            for _ in range(architecture.layers)
        )
        self.heads = nn.ModuleList(Head(width) for _ in (*architecture.deep, architecture.layers))
        self.namer = nn.Linear(width, architecture.names) if architecture.names else None

    @property
    def dtype(self) -> torch.dtype:
        """The weights' dtype, in which everything but positions and scores is computed."""
        return self.role.dtype

    @property
    def trained_blocks(self) -> tuple[Block, ...]:
        """The blocks in their order."""
        return blocks_in(self.blocks)

    @property
    def levels(self) -> tuple[int, ...]:
        """After how many blocks correspondence is scored, the last included."""
        return (*sorted(self.architecture.deep), self.architecture.layers)

    def encode(self, zyx_um: Tensor, mask: Tensor) -> EncodedTemplate:
        """Encode templates.

        Parameters
        ----------
        zyx_um : Tensor, (g, n, 3)
            Anatomical frame, µm, float32.
        mask : Tensor of bool, (g, n)
        """
        tokens, turns, there = self._start(zyx_um, mask, 0)
        memories, outputs = [], []
        for depth, block in enumerate(self.trained_blocks, start=1):
            memories.append(block.memory(tokens, turns, there))
            tokens = block(tokens, turns, there)
            if depth in self.levels:
                outputs.append(tokens)
        return EncodedTemplate(tuple(memories), tuple(outputs), mask)

    def compare(
        self, template: EncodedTemplate, zyx_um: Tensor, mask: Tensor
    ) -> tuple[Tensor, ...]:
        """Tokens of tests (b, m, 3) that look at their templates; rows of a group are adjacent.

        Returns
        -------
        tuple of Tensor, (b, m, width)
            After the blocks in `deep`, then the last.
        """
        tokens, turns, there = self._start(zyx_um, mask, 1)
        outputs = []
        for depth, block in enumerate(self.trained_blocks, start=1):
            tokens = block(tokens, turns, there, template.memories[depth - 1])
            if depth in self.levels:
                outputs.append(tokens)
        return tuple(outputs)

    def score(self, level: int, template: EncodedTemplate, tests: Tensor) -> Scores:
        """Score the tokens of one level of `compare` (0 .. len(deep)) against the template's."""
        scores: Scores = self.heads[level](tests, template.outputs[level])
        return scores

    def head_of(self, depth: int) -> Head:
        """Give what scores the tokens after so many blocks."""
        head = self.heads[self.levels.index(depth)]
        if not isinstance(head, Head):
            raise TypeError(f"the output after block {depth} is a {type(head).__name__}")
        return head

    def _start(self, zyx_um: Tensor, mask: Tensor, role: int) -> tuple[Tensor, Turns, Tensor]:
        tokens = self.embed(zyx_um) + self.role[role]
        return tokens, self.rotary(zyx_um, self.dtype), mask.to(self.dtype)


class Head(nn.Module):
    """Tokens to scores: one scaled product a pair, one number for having no partner."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.test = nn.Linear(width, width + 1)
        self.template = nn.Linear(width, width + 1)
        self.scale = width**-0.5

    def forward(self, tests: Tensor, templates: Tensor) -> Scores:
        """Score tests (b, m, width) against templates (g, n, width), where g divides b."""
        rows, columns = self.test(self.norm(tests)), self.template(self.norm(templates))
        groups = len(columns)
        stacked = rows[..., :-1].reshape(groups, -1, rows.shape[-1] - 1)
        pairs = (stacked @ columns[..., :-1].mT).view(*rows.shape[:2], -1).float() * self.scale
        alone = columns[..., -1].float().repeat_interleave(len(rows) // groups, dim=0)
        return Scores(pairs, rows[..., -1].float(), alone)
