"""The two networks of a training run: what one step of each does, and how it is validated."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from trackbench.datasets.semisynthetic.bank import WormBank
from trackbench.plugins.fdnc.batches import GroupBatch, PoseBatch, group_batches, pose_batches
from trackbench.plugins.fdnc.loss import matching_loss
from trackbench.plugins.fdnc.network import Architecture, MatchingNetwork
from trackbench.plugins.fdnc.optimiser import MixedPrecision, schedule, to_bfloat16
from trackbench.plugins.fdnc.posenet import PoseNet, bin_centres, true_pose
from trackbench.plugins.fdnc.training_config import TrainingConfig

VALIDATION_SEED = 1_000_000
ROLL_CONCENTRATION = 20.0
SLOPE_WEIGHT = 5.0
SLOPE_BETA = 0.1


class PoseStage:
    """Training of the pose network.

    Parameters
    ----------
    config : TrainingConfig
    bank : WormBank
    """

    name = "pose"

    def __init__(self, config: TrainingConfig, bank: WormBank):
        self.config, self.bank = config, bank
        self.steps = config.pose.steps
        self.weights = MixedPrecision(
            PoseNet(),
            learning_rate=config.pose.learning_rate,
            matrix_learning_rate=0.0,
            weight_decay=config.weight_decay,
            average=config.pose.average,
        )

    def batches(self, generator: torch.Generator) -> Iterator[PoseBatch]:
        """One pool of batches."""
        return pose_batches(
            self.bank, self.config.simulator, generator, batch=self.config.pose.batch
        )

    def losses(self, network: nn.Module, batch: PoseBatch) -> tuple[Tensor, Tensor]:
        """Loss, and the share of worms whose best class is within one bin of the truth."""
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
        near = nearness.gather(1, (best % bins).unsqueeze(1)).squeeze(1) > 0.9
        return entropy + SLOPE_WEIGHT * off, (near & (best // bins == backwards)).float().mean()

    def step(self, batch: PoseBatch, number: int) -> tuple[float, float]:
        """Take one step; loss and accuracy."""
        loss, accuracy = self.losses(self.weights.working, batch)
        self.weights.step(loss, schedule(number, self.steps, self.config.warm_up))
        return loss.item(), accuracy.item()

    def validate(self) -> tuple[float, float]:
        """Loss and accuracy of the averaged weights on simulated validation worms."""
        return _validated(self)


class MatchingStage:
    """Training of the matching network.

    Parameters
    ----------
    config : TrainingConfig
    bank : WormBank
    """

    name = "matching"

    def __init__(self, config: TrainingConfig, bank: WormBank):
        self.config, self.bank = config, bank
        self.steps = config.steps
        sizes = config.network.model_dump()
        self.weights = MixedPrecision(
            MatchingNetwork(Architecture(**sizes, names=len(bank.names))),
            learning_rate=config.learning_rate,
            matrix_learning_rate=config.matrix_learning_rate,
            weight_decay=config.weight_decay,
            average=config.average,
        )

    def batches(self, generator: torch.Generator) -> Iterator[GroupBatch]:
        """One pool of batches."""
        return group_batches(
            self.bank,
            self.config.simulator,
            self.config.pose_error,
            generator,
            groups=self.config.groups,
            tests=self.config.tests,
        )

    def losses(self, network: MatchingNetwork, batch: GroupBatch) -> tuple[Tensor, Tensor]:
        """Loss of every scored level and of the names; accuracy of the last level."""
        config = self.config
        template = network.encode(batch.template_um, batch.template > -2)
        levels = network.compare(template, batch.test_um, batch.test > -2)
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

    def step(self, batch: GroupBatch, number: int) -> tuple[float, float]:
        """Take one step; loss and accuracy."""
        working: Any = self.weights.working
        loss, accuracy = self.losses(working, batch)
        self.weights.step(loss, schedule(number, self.steps, self.config.warm_up))
        return loss.item(), accuracy.item()

    def validate(self) -> tuple[float, float]:
        """Loss and accuracy of the averaged weights on simulated validation worms."""
        return _validated(self)


Stage = PoseStage | MatchingStage


def _naming_loss(network: MatchingNetwork, tokens: Tensor, names: Tensor) -> Tensor:
    named = names >= 0
    if network.namer is None or not bool(named.any()):
        return tokens.new_zeros((), dtype=torch.float32)
    return functional.cross_entropy(network.namer(tokens[named]).float(), names[named])


@torch.no_grad()
def _validated(stage: Any) -> tuple[float, float]:
    generator = torch.Generator(stage.bank.device).manual_seed(VALIDATION_SEED)
    network = to_bfloat16(copy.deepcopy(stage.weights.averaged))
    results = [stage.losses(network, batch) for batch in stage.batches(generator)]
    loss = torch.stack([loss.float() for loss, _ in results]).mean().item()
    return loss, torch.stack([accuracy for _, accuracy in results]).mean().item()
