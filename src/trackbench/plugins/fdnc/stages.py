"""The two networks of a training run: what one step of each does, and how it is validated."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

import torch
from torch.nn import functional

from trackbench.datasets.semisynthetic.gather import PADDED
from trackbench.plugins.fdnc.batches import GroupBatch, PoseBatch, group_batches, pose_batches
from trackbench.plugins.fdnc.loss import matching_loss
from trackbench.plugins.fdnc.network import Architecture, MatchingNetwork
from trackbench.plugins.fdnc.optimiser import MixedPrecision, schedule, to_bfloat16
from trackbench.plugins.fdnc.posenet import PoseNet, bin_centres, true_pose

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor

    from trackbench.datasets.semisynthetic.bank import WormBank
    from trackbench.plugins.fdnc.training_config import TrainingConfig

__all__ = ["MatchingStage", "PoseStage", "Stage"]

BatchT = TypeVar("BatchT")
VALIDATION_SEED = 1_000_000
ROLL_CONCENTRATION = 20.0
SLOPE_WEIGHT = 5.0
SLOPE_BETA = 0.1
NEAR_COSINE = 0.9


class Stage(ABC, Generic[BatchT]):
    """One network's training: its batches, its loss, its weights and how long it takes.

    Parameters
    ----------
    config : TrainingConfig
    bank : WormBank
    """

    name: ClassVar[str]
    weights: MixedPrecision
    steps: int
    decay: int

    def __init__(self, config: TrainingConfig, bank: WormBank) -> None:
        self.config, self.bank = config, bank

    @abstractmethod
    def batches(self, generator: torch.Generator, step: int) -> Iterator[BatchT]:
        """Simulate one pool of batches as they are at a step."""

    @abstractmethod
    def losses(self, network: Any, batch: BatchT) -> tuple[Tensor, Tensor]:
        """Loss and accuracy of one batch."""

    def step(self, batch: BatchT, number: int) -> tuple[float, float]:
        """Take one step; its loss and accuracy."""
        loss, accuracy = self.losses(self.weights.working, batch)
        rate = schedule(number, self.steps, self.config.warm_up, self.decay)
        self.weights.step(loss, rate)
        return loss.item(), accuracy.item()

    @torch.no_grad()
    def validate(self) -> tuple[float, float]:
        """Loss and accuracy of the averaged weights on simulated validation worms."""
        generator = torch.Generator(self.bank.device).manual_seed(VALIDATION_SEED)
        network = to_bfloat16(copy.deepcopy(self.weights.averaged))
        results = [self.losses(network, batch) for batch in self.batches(generator, self.steps)]
        loss = torch.stack([loss.float() for loss, _ in results]).mean().item()
        return loss, torch.stack([accuracy for _, accuracy in results]).mean().item()


class PoseStage(Stage[PoseBatch]):
    """Training of the pose network."""

    name = "pose"

    def __init__(self, config: TrainingConfig, bank: WormBank) -> None:
        super().__init__(config, bank)
        self.steps = self.decay = config.pose.steps
        self.weights = MixedPrecision(
            PoseNet(),
            learning_rate=config.pose.learning_rate,
            matrix_learning_rate=0.0,
            weight_decay=config.weight_decay,
            average=config.pose.average,
        )

    def batches(self, generator: torch.Generator, step: int) -> Iterator[PoseBatch]:
        """Simulate one pool of worms in any pose."""
        return pose_batches(
            self.bank, self.config.pose.simulator, generator, batch=self.config.pose.batch
        )

    def losses(self, network: Any, batch: PoseBatch) -> tuple[Tensor, Tensor]:
        """Loss, and the share of worms whose best class is within two bins of the truth."""
        guess = network(batch.zyx_um, batch.mask)
        slope, backwards, roll = true_pose(batch.frame)
        nearness = torch.cos(roll[:, None] - bin_centres(roll.device))
        target = (ROLL_CONCENTRATION * nearness).softmax(-1)
        log_p = guess.logits.flatten(1).log_softmax(-1).view_as(guess.logits)
        worm = torch.arange(len(roll), device=roll.device)
        entropy = -(log_p[worm, backwards] * target).sum(-1).mean()
        off = functional.smooth_l1_loss(guess.slope, slope.clamp(-1, 1), beta=SLOPE_BETA)
        best = log_p.flatten(1).argmax(-1)
        bins = log_p.shape[-1]
        near = nearness.gather(1, (best % bins).unsqueeze(1)).squeeze(1) > NEAR_COSINE
        return entropy + SLOPE_WEIGHT * off, (near & (best // bins == backwards)).float().mean()


class MatchingStage(Stage[GroupBatch]):
    """Training of the matching network."""

    name = "matching"

    def __init__(self, config: TrainingConfig, bank: WormBank) -> None:
        super().__init__(config, bank)
        self.steps, self.decay = config.steps, config.decay
        sizes = config.network.model_dump()
        self.weights = MixedPrecision(
            MatchingNetwork(Architecture(**sizes, names=len(bank.names))),
            learning_rate=config.learning_rate,
            matrix_learning_rate=config.matrix_learning_rate,
            weight_decay=config.weight_decay,
            average=config.average,
        )

    def batches(self, generator: torch.Generator, step: int) -> Iterator[GroupBatch]:
        """Simulate one pool of groups near the anatomical pose."""
        late = self.config.late
        return group_batches(
            self.bank,
            late.simulator if late is not None and step >= late.step else self.config.simulator,
            self.config.pose_error,
            generator,
            groups=self.config.groups,
            tests=self.config.tests,
        )

    def losses(self, network: Any, batch: GroupBatch) -> tuple[Tensor, Tensor]:
        """Loss of every scored level and of the names; accuracy of the last level."""
        config = self.config
        template = network.encode(batch.template_um, batch.template > PADDED)
        levels = network.compare(template, batch.test_um, batch.test > PADDED)
        partner = batch.template.repeat_interleave(len(batch.test) // len(batch.template), 0)
        scored = [
            matching_loss(network.score(i, template, tokens), batch.test, partner, config.smoothing)
            for i, tokens in enumerate(levels)
        ]
        loss, accuracy = scored[-1]
        for deep, _ in scored[:-1]:
            loss = loss + config.deep_weight * deep
        pairs = ((template.outputs[-1], batch.template_names), (levels[-1], batch.test_names))
        for tokens, names in pairs:
            loss = loss + config.name_weight * _naming_loss(network, tokens, names)
        return loss, accuracy


def _naming_loss(network: MatchingNetwork, tokens: Tensor, names: Tensor) -> Tensor:
    named = names >= 0
    if network.namer is None or not bool(named.any()):
        return tokens.new_zeros((), dtype=torch.float32)
    return functional.cross_entropy(network.namer(tokens[named]).float(), names[named])
