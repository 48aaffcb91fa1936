"""Training of the identity network: samples drawn on the fly, checkpoints, averaged weights.

The stream of samples depends on the seed and the step alone, so a resumed run sees what an
uninterrupted one would have seen.
"""

from __future__ import annotations

import copy
import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor
from torch.nn import functional

from trackbench.core.checkpoint import Checkpoint
from trackbench.plugins.identity.augment import IGNORED, AugmentConfig, Sample, Sampler
from trackbench.plugins.identity.network import COLOR_FEATURES, IdentityNetwork, NetworkConfig

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from trackbench.plugins.identity.bank import Bank

BATCHES_A_CHUNK: Final = 8
"""Samples of so many batches are drawn together and sorted by size, to cut padding."""


class TrainingConfig(BaseModel):
    """Everything that a training run depends on but the worms."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    network: NetworkConfig = Field(default=NetworkConfig(), description="sizes of the network")
    augment: AugmentConfig = Field(default=AugmentConfig(), description="how samples are made")
    steps: int = Field(default=8000, description="optimiser steps")
    batch: int = Field(default=16, description="worms a step")
    rate: float = Field(default=1e-3, description="peak learning rate")
    warm_up: int = Field(default=300, description="steps of linear warm-up; cosine decay follows")
    decay: float = Field(default=0.05, description="weight decay")
    average: float = Field(default=0.998, description="momentum of the averaged weights")
    pose_weight: float = Field(default=0.2, description="weight of the pose loss")
    smoothing: float = Field(default=0.02, description="label smoothing")
    seed: int = Field(default=0, description="seed of weights and samples")
    checkpoint_s: float = Field(default=60.0, description="seconds between checkpoints")
    validate_every: int = Field(default=500, description="steps between validations")


@dataclass(frozen=True, eq=False)
class Batch:
    """Padded samples.

    Parameters
    ----------
    zyx_um : Tensor, (b, n, 3)
    color : Tensor, (b, n, 7)
    target : Tensor of int64, (b, n)
    mask : Tensor of bool, (b, n)
    pose : Tensor, (b, 2)
    """

    zyx_um: Tensor
    color: Tensor
    target: Tensor
    mask: Tensor
    pose: Tensor


def collate(samples: Sequence[Sample]) -> Batch:
    """Pad samples to the longest."""
    longest = max(len(sample.target) for sample in samples)
    shape = (len(samples), longest)
    batch = Batch(
        torch.zeros(*shape, 3),
        torch.zeros(*shape, COLOR_FEATURES),
        torch.full(shape, IGNORED),
        torch.zeros(shape, dtype=torch.bool),
        torch.from_numpy(np.stack([sample.pose for sample in samples])),
    )
    for i, sample in enumerate(samples):
        count = len(sample.target)
        batch.zyx_um[i, :count] = torch.from_numpy(sample.zyx_um)
        batch.color[i, :count] = torch.from_numpy(sample.color)
        batch.target[i, :count] = torch.from_numpy(sample.target)
        batch.mask[i, :count] = True
    return batch


def draw_chunk(bank: Bank, config: TrainingConfig, chunk: int) -> list[Batch]:
    """Draw the batches of one chunk, in random order."""
    generator = np.random.default_rng([config.seed, chunk])
    sampler = Sampler(bank, config.augment, generator)
    samples = [sampler.draw() for _ in range(BATCHES_A_CHUNK * config.batch)]
    samples.sort(key=lambda sample: len(sample.target))
    starts = generator.permutation(BATCHES_A_CHUNK) * config.batch
    return [collate(samples[start : start + config.batch]) for start in starts]


def loss_of(network: IdentityNetwork, batch: Batch, config: TrainingConfig) -> Tensor:
    """Cross-entropy of names, every worm weighing as the root of its labels, and of pose."""
    logits, pose = network(batch.zyx_um, batch.color, batch.mask)
    known = batch.target != IGNORED
    weight = (known / known.sum(dim=1, keepdim=True).clamp(min=1).sqrt())[known]
    truth = batch.target[known]
    each = functional.cross_entropy(
        logits[known], truth, reduction="none", label_smoothing=config.smoothing
    )
    loss = (each * weight).sum() / weight.sum().clamp(min=1e-6)
    return loss + config.pose_weight * functional.binary_cross_entropy_with_logits(pose, batch.pose)


def rate_at(step: int, config: TrainingConfig) -> float:
    """Learning rate: linear warm-up, then a cosine to 2 % of the peak."""
    if step < config.warm_up:
        return config.rate * (step + 1) / config.warm_up
    progress = (step - config.warm_up) / max(1, config.steps - config.warm_up)
    return config.rate * (0.02 + 0.98 * 0.5 * (1.0 + math.cos(math.pi * min(1.0, progress))))


class Trainer:
    """One training run; `run` goes on from the checkpoint in `folder` if there is one.

    Parameters
    ----------
    config : TrainingConfig
    bank : Bank
    folder : Path
        Receives `checkpoint.pt`.
    start : IdentityNetwork, optional
        Weights to begin with, where there is no checkpoint.
    """

    def __init__(
        self,
        config: TrainingConfig,
        bank: Bank,
        folder: Path,
        start: IdentityNetwork | None = None,
    ) -> None:
        torch.manual_seed(config.seed)
        self.config = config
        self.bank = bank
        self.checkpoint = Checkpoint(folder / "checkpoint.pt", config.model_dump_json())
        self.network = IdentityNetwork(config.network, len(bank.names))
        if start is not None:
            self.network.load_state_dict(start.state_dict())
        self.averaged = copy.deepcopy(self.network).requires_grad_(False).eval()
        self.optimizer = torch.optim.AdamW(_parameter_groups(self.network, config), lr=config.rate)
        self.step = 0
        saved = self.checkpoint.load()
        if saved is not None:
            self._resume(saved)

    def run(self, validate: Callable[[IdentityNetwork, int, float], None]) -> IdentityNetwork:
        """Train to the end; give the averaged network.

        Parameters
        ----------
        validate : callable
            Called with the averaged network, the step and the mean training loss since the
            last call, every `validate_every` steps and at the end.
        """
        saved, losses = time.monotonic(), []
        while self.step < self.config.steps:
            batches = draw_chunk(self.bank, self.config, self.step // BATCHES_A_CHUNK)
            for batch in batches[self.step % BATCHES_A_CHUNK :]:
                losses.append(self._update(batch))
                if self.step % self.config.validate_every == 0 or self.step == self.config.steps:
                    validate(self.averaged, self.step, float(np.mean(losses)))
                    losses = []
                if self.step >= self.config.steps:
                    break
            if time.monotonic() - saved > self.config.checkpoint_s:
                self._save()
                saved = time.monotonic()
        self._save()
        return self.averaged

    def _update(self, batch: Batch) -> float:
        for group in self.optimizer.param_groups:
            group["lr"] = rate_at(self.step, self.config)
        torch.manual_seed(self.config.seed * 1_000_003 + self.step)  # of dropout, so runs resume
        loss = loss_of(self.network, batch, self.config)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self.optimizer.step()
        self.step += 1
        momentum = min(self.config.average, (1.0 + self.step) / (10.0 + self.step))
        with torch.no_grad():
            for mean, value in zip(
                self.averaged.parameters(), self.network.parameters(), strict=True
            ):
                mean.lerp_(value, 1.0 - momentum)
        return float(loss.detach())

    def _save(self) -> None:
        self.checkpoint.save(
            {
                "step": self.step,
                "network": self.network.state_dict(),
                "averaged": self.averaged.state_dict(),
                "optimizer": self.optimizer.state_dict(),
            }
        )

    def _resume(self, state: dict[str, Any]) -> None:
        self.step = state["step"]
        self.network.load_state_dict(state["network"])
        self.averaged.load_state_dict(state["averaged"])
        self.optimizer.load_state_dict(state["optimizer"])


def _parameter_groups(network: IdentityNetwork, config: TrainingConfig) -> list[dict[str, Any]]:
    """Weight decay on matrices only."""
    matrices = [p for p in network.parameters() if p.ndim > 1]
    others = [p for p in network.parameters() if p.ndim <= 1]
    return [
        {"params": matrices, "weight_decay": config.decay},
        {"params": others, "weight_decay": 0.0},
    ]
