"""The network in training: steps, prediction, state for a checkpoint."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch

from trackbench.plugins.tacnn.augment import Strength, draw_sample
from trackbench.plugins.tacnn.loss import choose_voxels, selective_loss
from trackbench.plugins.tacnn.network import Architecture, TacnnNetwork, coordinates
from trackbench.plugins.tacnn.optimiser import MixedOptimiser

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from trackbench.plugins.tacnn.augment import Sample

__all__ = ["Learner", "predict"]

CLIP_NORM: Final = 1.0
KERNEL_RATE: Final = 5.0
"""Learning rate of the kernels, in learning rates of everything else."""

WARM_UP: Final = 20
FINAL_SHARE: Final = 0.05
WEAKER: Final = 0.5
"""Random changes of a synthetic frame are half as large: it has been deformed already."""


class Learner:
    """A network, its optimiser and its random numbers.

    Parameters
    ----------
    architecture : Architecture
    seed : int
    learning_rate : float
        Highest; it warms up and falls along a cosine within each stage.
    strength : Strength
    device : str
    """

    def __init__(
        self,
        architecture: Architecture,
        *,
        seed: int,
        learning_rate: float = 4e-3,
        strength: Strength = Strength(),  # noqa: B008  frozen
        device: str = "cpu",
    ) -> None:
        torch.manual_seed(seed)
        self.network = TacnnNetwork(architecture).to(device)
        self.device, self.learning_rate, self.strength = device, learning_rate, strength
        self.rng = np.random.default_rng(seed)
        self.generator = torch.Generator(device).manual_seed(seed)
        self.start_stage()

    def start_stage(self) -> None:
        """Begin a stage: the same weights, a fresh optimiser."""
        self.optimiser = MixedOptimiser(
            self.network, self.learning_rate, KERNEL_RATE * self.learning_rate
        )

    def step(
        self, labelled: Sequence[Sample], synthetic: Sequence[Sample], progress: float, first: int
    ) -> float:
        """Take one step on one frame: a labelled or, in half of the steps, a synthetic one.

        Parameters
        ----------
        labelled, synthetic : sequence of Sample
        progress : float
            Part of the stage that is done.
        first : int
            Number of the step within its stage.

        Returns
        -------
        float
            The loss.
        """
        use = synthetic if len(synthetic) and self.rng.random() < 0.5 else labelled
        sample = use[int(self.rng.integers(len(use)))]
        strength = self.strength if use is labelled else _weaker(self.strength)
        image, labels = draw_sample(sample, strength, self.rng)
        voxels = choose_voxels(labels, image, self.generator)
        classes = labels.reshape(-1)[voxels].long()
        share = min(1.0, (first + 1) / WARM_UP) * (
            FINAL_SHARE + (1 - FINAL_SHARE) * 0.5 * (1 + math.cos(math.pi * progress))
        )
        with torch.autocast(self.device, torch.bfloat16):
            features = self.network.features(image)
            chosen = features.reshape(-1, features.shape[-1])[voxels]
            places = coordinates(image).flatten(1).T[voxels]
            loss = selective_loss(self.network.scores(chosen, places), classes)
        self.optimiser.zero_grad()
        torch.autograd.backward(loss)
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), CLIP_NORM)
        self.optimiser.step(share)
        return float(loss.detach())

    def state(self) -> dict[str, Any]:
        """Everything that a resumed run needs."""
        return {
            "network": self.network.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "generator": self.generator.get_state(),
            "rng": _plain(self.rng.bit_generator.state),
        }

    def resume(self, state: dict[str, Any]) -> None:
        """Continue from `state`."""
        self.network.load_state_dict(state["network"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.generator.set_state(state["generator"])
        self.rng.bit_generator.state = state["rng"]


@torch.no_grad()
def predict(network: TacnnNetwork, image: NDArray[np.float32]) -> NDArray[np.float32]:
    """Probability of every class at every voxel (z, y, x, classes) of an image (c, z, y, x)."""
    device = next(network.parameters()).device
    with torch.autocast(device.type, torch.bfloat16):
        scores = network(torch.from_numpy(image).to(device))
    result: NDArray[np.float32] = scores.float().softmax(dim=3).cpu().numpy()
    return result


def _weaker(strength: Strength) -> Strength:
    return replace(
        strength,
        turn=WEAKER * strength.turn,
        scale=WEAKER * strength.scale,
        shift=WEAKER * strength.shift,
        bend=WEAKER * strength.bend,
        roll=WEAKER * strength.roll,
    )


def _plain(state: Mapping[str, Any]) -> dict[str, Any]:
    return {k: _plain(item) if isinstance(item, dict) else item for k, item in state.items()}
