"""The arithmetic behind the matcher: pose, encoding, comparison, normalisation."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from trackbench.errors import UsageError
from trackbench.plugins.fdnc.network import Scores
from trackbench.plugins.fdnc.normalise import log_posterior, normalised, shifted
from trackbench.plugins.fdnc.posenet import agreed_pose, sure_pose
from trackbench.plugins.fdnc.refine import Refinement, refined, smooth_basis
from trackbench.plugins.fdnc.weights import Trained, load_trained

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray
    from torch import Tensor

    from trackbench.plugins.fdnc.config import FdncConfig
    from trackbench.plugins.fdnc.network import EncodedTemplate
    from trackbench.plugins.fdnc.posenet import PoseNet

    PoseSearch = Callable[[PoseNet, Tensor, Tensor], tuple[Tensor, Tensor]]

__all__ = ["BUCKET", "FEWEST_POINTS", "Engine", "Template"]

BUCKET = 16
"""Tests are padded to a multiple of this and batched with tests of the same padded size only:
what a test gives doesn't depend on its batch."""

TESTS_AT_ONCE = 16
ROLLS = 6
"""Rolls that are tried, head first and tail first, where the pose is unsure."""

LEAST_CERTAINTY = 0.3
"""Mean of the best probabilities below which a pose is not believed."""

FEWEST_POINTS = 4
"""Fewer points have no pose."""


@dataclass(frozen=True, eq=False)
class Clouds:
    """A padded batch: zyx_um (b, n, 3), zero where padded, and mask (b, n) of bool."""

    zyx_um: Tensor
    mask: Tensor


@dataclass(frozen=True, eq=False)
class Template:
    """A template in the anatomical frame (a batch of one), its encoding and its movements."""

    clouds: Clouds
    encoded: EncodedTemplate
    basis: Tensor


class Engine:
    """Networks on a device.

    Parameters
    ----------
    config : FdncConfig
    weights : Path

    Raises
    ------
    UsageError
        CUDA is asked for and isn't there.
    InputError
        Weights that can't be used.
    """

    def __init__(self, config: FdncConfig, weights: Path) -> None:
        if config.device == "cuda" and not torch.cuda.is_available():
            raise UsageError("fdnc: this machine has no CUDA device", "use device=cpu")
        self.config = config
        self.device = torch.device(config.device)
        dtype = torch.bfloat16 if config.precision == "bfloat16" else torch.float32
        self.trained: Trained = load_trained(weights, dtype, self.device)
        self.refinement = Refinement(
            config.refine,
            config.refine_start_um,
            config.refine_end_um,
            config.refine_limit_um,
            config.refine_prior,
        )

    @torch.inference_mode()
    def encode(self, points: NDArray[np.float32]) -> Template:
        """Encode a template (n, 3), n >= FEWEST_POINTS, in its principal axes (`points`)."""
        clouds, _ = self._anatomical(_padded([points], len(points), self.device), agreed_pose)
        encoded = self.trained.network.encode(clouds.zyx_um, clouds.mask)
        return Template(clouds, encoded, smooth_basis(clouds.zyx_um[0]))

    def log_p(
        self, template: Template, tests: Sequence[NDArray[np.float32]]
    ) -> list[NDArray[np.float32]]:
        """Log-probabilities (m, n + 1) of tests (m, 3), m >= FEWEST_POINTS, in their order."""
        found: dict[int, NDArray[np.float32]] = {}
        sizes = [-(-len(test) // BUCKET) * BUCKET for test in tests]
        for size in sorted(set(sizes)):
            fit = [i for i, own in enumerate(sizes) if own == size]
            for first in range(0, len(fit), TESTS_AT_ONCE):
                some = fit[first : first + TESTS_AT_ONCE]
                clouds = _padded([tests[i] for i in some], size, self.device)
                batch = self._compare(template, clouds).cpu().numpy()
                for i, table in zip(some, batch, strict=True):
                    found[i] = table[: len(tests[i])]
        return [found[i] for i in range(len(tests))]

    def _anatomical(self, clouds: Clouds, find: PoseSearch) -> tuple[Clouds, Tensor]:
        matrices, sure = find(self.trained.poses, clouds.zyx_um, clouds.mask)
        return Clouds(clouds.zyx_um @ matrices, clouds.mask), sure

    @torch.inference_mode()
    def _compare(self, template: Template, clouds: Clouds) -> Tensor:
        tests, sure = self._anatomical(clouds, sure_pose)
        scores = self._scores(template, tests)
        certain = _certainty(tests, scores) > LEAST_CERTAINTY * tests.mask.sum(1)
        unsure = torch.nonzero(~(sure & certain)).squeeze(1)
        if len(unsure):
            tests, scores = self._turned(template, tests, scores, unsure)
        scores = refined(
            scores,
            tests.zyx_um,
            template.clouds.zyx_um[0],
            basis=template.basis,
            mask=tests.mask,
            settings=self.refinement,
        )
        return log_posterior(scores, tests.mask)

    def _scores(self, template: Template, tests: Clouds, levels: int | None = None) -> Scores:
        network, count = self.trained.network, len(tests.mask)
        outputs = network.compare(template.encoded, tests.zyx_um, tests.mask, levels)
        raw = network.score(len(outputs) - 1, template.encoded, outputs[-1])
        heat, none = self.config.temperature, self.config.none_bias
        return Scores(
            raw.pairs / heat,
            (raw.test_alone + none) / heat,
            (raw.template_alone.expand(count, -1) + none) / heat,
        )

    def _turned(
        self, template: Template, tests: Clouds, scores: Scores, unsure: Tensor
    ) -> tuple[Clouds, Scores]:
        """Turn tests of unsure pose; keep what matches most surely.

        All turns are looked at by the first level of the network, the best by all of it.
        """
        own = Clouds(tests.zyx_um[unsure], tests.mask[unsure])
        turns = _turns(self.device)
        points = own.zyx_um @ turns.unsqueeze(1)
        every = Clouds(points.flatten(0, 1), own.mask.repeat(len(turns), 1))
        value = _certainty(every, self._scores(template, every, levels=1))
        best = value.view(len(turns), -1).argmax(0)
        chosen = Clouds(points[best, torch.arange(len(best))], own.mask)
        found = self._scores(template, chosen)
        before = Scores(*(part[unsure] for part in _parts(scores)))
        better = _certainty(chosen, found) > _certainty(own, before)
        where, kept = unsure[better], chosen.zyx_um[better]
        replaced = (
            part.index_copy(0, where, new[better])
            for part, new in zip(_parts(scores), _parts(found), strict=True)
        )
        return Clouds(tests.zyx_um.index_copy(0, where, kept), tests.mask), Scores(*replaced)


def _parts(scores: Scores) -> tuple[Tensor, Tensor, Tensor]:
    return scores.pairs, scores.test_alone, scores.template_alone


def _certainty(tests: Clouds, scores: Scores) -> Tensor:
    """Sum of the largest pair probability of every test neuron, (b,)."""
    return normalised(shifted(scores), tests.mask).pairs().amax(2).sum(1)


def _turns(device: torch.device) -> Tensor:
    """Rotations (2 * ROLLS, 3, 3) about x, head first and tail first, for `points @ matrix`."""
    angles = torch.arange(ROLLS, device=device) * (2 * math.pi / ROLLS)
    cosine, sine = angles.cos(), angles.sin()
    rolls = torch.zeros(ROLLS, 3, 3, device=device)
    rolls[:, 0, 0] = rolls[:, 1, 1] = cosine
    rolls[:, 0, 1], rolls[:, 1, 0] = sine, -sine
    rolls[:, 2, 2] = 1.0
    tail_first = torch.tensor([1.0, -1.0, -1.0], device=device)
    return torch.cat([rolls, rolls * tail_first])


def _padded(clouds: Sequence[NDArray[np.float32]], width: int, device: torch.device) -> Clouds:
    points = np.zeros((len(clouds), width, 3), dtype=np.float32)
    mask = np.zeros((len(clouds), width), dtype=np.bool_)
    for i, cloud in enumerate(clouds):
        points[i, : len(cloud)] = cloud
        mask[i, : len(cloud)] = True
    return Clouds(torch.as_tensor(points, device=device), torch.as_tensor(mask, device=device))
