"""One course of training: labelled frames first, then synthetic ones made by what was learned."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import torch

from trackbench.plugins.tacnn.labelled import mean_places
from trackbench.plugins.tacnn.learner import Learner, predict
from trackbench.plugins.tacnn.network import Architecture, TacnnNetwork, voxel_coordinates
from trackbench.plugins.tacnn.targeted import deform_towards

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from trackbench.plugins.tacnn.augment import Sample
    from trackbench.plugins.tacnn.labelled import LabelledFrame
    from trackbench.plugins.tacnn.training_config import TrainingConfig

__all__ = ["Course", "Target"]

Target = tuple["NDArray[np.float32]", tuple[int, ...]]
"""An unlabelled image (c, z, y, x) and which labelled frames could be its parent."""


class Course:
    """The whole sequence of steps of a training run.

    Steps 0 to `base_steps` see the labelled frames. The others, which begin with a fresh
    optimiser, see labelled and synthetic frames in equal parts; synthetic ones are made anew
    from the targets `rounds` times. Without `targeted` the same number of steps sees labelled
    frames alone.

    Parameters
    ----------
    config : TrainingConfig
    labelled : sequence of LabelledFrame
    classes : int
        Background included.
    targets : sequence of Target
    device : str
    """

    def __init__(
        self,
        config: TrainingConfig,
        labelled: Sequence[LabelledFrame],
        classes: int,
        targets: Sequence[Target],
        device: str = "cpu",
    ) -> None:
        self.config, self.labelled, self.targets = config, labelled, targets
        channels, *shape = labelled[0].sample.image.shape
        self.learner = Learner(
            Architecture(channels, classes),
            seed=config.seed,
            learning_rate=config.learning_rate,
            device=device,
        )
        places = torch.from_numpy(mean_places(labelled, classes)).float()
        self.learner.network.set_places(voxel_coordinates(places, shape).to(device))
        self.samples = [frame.sample.to(device) for frame in labelled]
        self.synthetic: list[Sample] = []
        self.teacher: TacnnNetwork | None = None
        self.done = 0

    @property
    def steps(self) -> int:
        """Number of steps of the whole course."""
        return self.config.base_steps + self.config.extra_steps

    def step(self) -> float:
        """Take the next step and give its loss."""
        base, extra = self.config.base_steps, self.config.extra_steps
        later = self.done - base
        if later == 0:
            self.learner.start_stage()
        if later >= 0 and self.config.targeted and later % self._round_steps == 0:
            self.teacher = copy.deepcopy(self.learner.network)
            self.synthetic = self._synthesise(self.teacher)
        stage, number = (extra, later) if later >= 0 else (base, self.done)
        loss = self.learner.step(self.samples, self.synthetic, number / stage, number)
        self.done += 1
        return loss

    @property
    def _round_steps(self) -> int:
        return -(-self.config.extra_steps // self.config.rounds)

    def _synthesise(self, network: TacnnNetwork) -> list[Sample]:
        made = []
        for image, parents in self.targets:
            sample = deform_towards(
                [self.labelled[k] for k in parents],
                image,
                predict(network, image),
                share=self.config.share,
            )
            if sample is not None:
                made.append(sample.to(self.learner.device))
        return made

    def state(self) -> dict[str, Any]:
        """Everything that a resumed course needs."""
        return {
            "done": self.done,
            "learner": self.learner.state(),
            "teacher": None if self.teacher is None else self.teacher.state_dict(),
        }

    def resume(self, state: dict[str, Any]) -> None:
        """Continue from `state`: the same steps as a course that was never interrupted."""
        self.done = state["done"]
        self.learner.resume(state["learner"])
        self.teacher, self.synthetic = None, []
        if state["teacher"] is not None:
            self.teacher = copy.deepcopy(self.learner.network)
            self.teacher.load_state_dict(state["teacher"])
            self.synthetic = self._synthesise(self.teacher)
