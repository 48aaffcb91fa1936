"""The arithmetic behind the matcher: pose, encoding, comparison, normalisation."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import torch

from trackbench.errors import UsageError
from trackbench.plugins.fdnc.network import Scores
from trackbench.plugins.fdnc.normalise import log_posterior, normalised, shifted
from trackbench.plugins.fdnc.posenet import agreed_pose, sure_pose
from trackbench.plugins.fdnc.refine import Refined, Refinement, refined, smooth_basis
from trackbench.plugins.fdnc.weights import Trained, load_trained

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray
    from torch import Tensor

    from trackbench.plugins.fdnc.config import FdncConfig
    from trackbench.plugins.fdnc.network import EncodedTemplate, Look
    from trackbench.plugins.fdnc.posenet import PoseNet

    PoseSearch = Callable[[PoseNet, Tensor, Tensor], tuple[Tensor, Tensor]]

__all__ = ["BUCKET", "FEWEST_POINTS", "Engine", "Template"]

BUCKET = 16
"""Tests are padded to a multiple of this and batched with tests of the same padded size only:
what a test gives doesn't depend on its batch."""

TESTS_AT_ONCE = 32
ROLLS = 6
"""Rolls that are tried, head first and tail first, where the pose is unsure."""

LEAST_CERTAINTY = 0.33
"""Mean of the best probabilities below which a pose is not believed: first that of the test,
then that of the template."""

FEWEST_POINTS = 4
"""Fewer points have no pose."""


@dataclass(frozen=True, eq=False)
class Clouds:
    """A padded batch: zyx_um (b, n, 3), zero where padded, and mask (b, n) of bool."""

    zyx_um: Tensor
    mask: Tensor

    def take(self, rows: Tensor) -> Clouds:
        """Keep some clouds."""
        return Clouds(self.zyx_um[rows], self.mask[rows])

    def replaced(self, rows: Tensor, others: Clouds) -> Clouds:
        """Put other positions in the place of some clouds'."""
        return Clouds(self.zyx_um.index_copy(0, rows, others.zyx_um), self.mask)


@dataclass(frozen=True, eq=False)
class Template:
    """A template in the anatomical frame (a batch of one), its encoding and its movements.

    `turned` keeps it in other poses, from when they are first asked for.
    """

    clouds: Clouds
    encoded: EncodedTemplate
    basis: Tensor
    turned: list[Template] = field(default_factory=list)


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
        return self._template(clouds)

    def _template(self, clouds: Clouds) -> Template:
        encoded = self.trained.network.encode(clouds.zyx_um, clouds.mask)
        return Template(clouds, encoded, smooth_basis(clouds.zyx_um[0]))

    def _in_other_poses(self, template: Template) -> list[Template]:
        """Turn a template by every other of the turns that tests are tried in."""
        if not template.turned:
            points, mask = template.clouds.zyx_um, template.clouds.mask
            every_other = _turns(self.device)[1::2]
            template.turned.extend(
                self._template(Clouds(points @ turn, mask)) for turn in every_other
            )
        return template.turned

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
        """Match by as few blocks as are enough: where the bent template fits, half of them."""
        tests, sure = self._anatomical(clouds, sure_pose)
        network = self.trained.network
        look = network.further(template.encoded, network.begin(tests.zyx_um, tests.mask))
        found = self._refined(template, tests, self._scores(template, look))
        table = log_posterior(found.scores, tests.mask)
        rest = torch.nonzero(found.residual_um >= self.config.enough_um).squeeze(1)
        if len(rest):
            whole = self._whole(template, tests.take(rest), look.take(rest), sure[rest])
            table = whole if len(rest) == len(table) else table.index_copy(0, rest, whole)
        return table

    def _whole(self, template: Template, tests: Clouds, look: Look, sure: Tensor) -> Tensor:
        """Match by all blocks, and in other poses where the pose is unsure."""
        scores = self._scores(template, self._to_end(template, look))
        value = _certainty(tests, scores)
        unsure = torch.nonzero(~sure | (value < LEAST_CERTAINTY)).squeeze(1)
        if len(unsure):
            found = self._turned(template, tests.take(unsure))
            better = found.value > value[unsure]
            where = unsure[better]
            tests = tests.replaced(where, found.tests.take(better))
            scores = _replaced(scores, where, found.scores, better)
            value = value.index_copy(0, where, found.value[better])
        table = log_posterior(self._refined(template, tests, scores).scores, tests.mask)
        lost = torch.nonzero(value < LEAST_CERTAINTY).squeeze(1)
        if len(lost):
            other = self._with_template_turned(template, tests.take(lost), value[lost], table[lost])
            table = table.index_copy(0, lost, other)
        return table

    def _with_template_turned(
        self, template: Template, tests: Clouds, value: Tensor, table: Tensor
    ) -> Tensor:
        """Match to the template in other poses; keep the table (b, m, n + 1) of the surest."""
        for other in self._in_other_poses(template):
            found = self._turned(other, tests)
            refined_scores = self._refined(other, found.tests, found.scores).scores
            new = log_posterior(refined_scores, tests.mask)
            table = torch.where((found.value > value)[:, None, None], new, table)
            value = torch.maximum(found.value, value)
        return table

    def _to_end(self, template: Template, look: Look) -> Look:
        network = self.trained.network
        while look.depth < network.architecture.layers:
            look = network.further(template.encoded, look)
        return look

    def _refined(self, template: Template, tests: Clouds, scores: Scores) -> Refined:
        return refined(
            scores,
            tests.zyx_um,
            template.clouds.zyx_um[0],
            basis=template.basis,
            mask=tests.mask,
            settings=self.refinement,
        )

    def _scores(self, template: Template, look: Look) -> Scores:
        raw = self.trained.network.score_look(template.encoded, look)
        heat, none = self.config.temperature, self.config.none_bias
        return Scores(
            raw.pairs / heat,
            (raw.test_alone + none) / heat,
            (raw.template_alone.expand(len(raw.pairs), -1) + none) / heat,
        )

    def _turned(self, template: Template, tests: Clouds) -> Turned:
        """Turn tests and keep what matches most surely.

        All turns are looked at by the first level of the network, the best by all of it.
        """
        network, turns = self.trained.network, _turns(self.device)
        points = (tests.zyx_um @ turns.unsqueeze(1)).flatten(0, 1)
        every = Clouds(points, tests.mask.repeat(len(turns), 1))
        first = network.further(template.encoded, network.begin(every.zyx_um, every.mask))
        value = _certainty(every, self._scores(template, first)).view(len(turns), -1)
        count = len(tests.mask)
        best = value.argmax(0) * count + torch.arange(count, device=self.device)
        chosen = every.take(best)
        scores = self._scores(template, self._to_end(template, first.take(best)))
        return Turned(chosen, scores, _certainty(chosen, scores))


@dataclass(frozen=True, eq=False)
class Turned:
    """Tests in the poses that match most surely, their scores and how sure they are (b,)."""

    tests: Clouds
    scores: Scores
    value: Tensor


def _replaced(scores: Scores, where: Tensor, new: Scores, rows: Tensor) -> Scores:
    return Scores(
        scores.pairs.index_copy(0, where, new.pairs[rows]),
        scores.test_alone.index_copy(0, where, new.test_alone[rows]),
        scores.template_alone.index_copy(0, where, new.template_alone[rows]),
    )


def _certainty(tests: Clouds, scores: Scores) -> Tensor:
    """Mean of the largest pair probability of every test neuron, (b,)."""
    sums = normalised(shifted(scores), tests.mask).pairs().amax(2).sum(1)
    return sums / tests.mask.sum(1)


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
