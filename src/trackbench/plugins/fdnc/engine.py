"""The arithmetic behind the matcher: pose, comparison, refinement, normalisation."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import torch

from trackbench.core.geometry import fit_rigid
from trackbench.errors import UsageError
from trackbench.plugins.fdnc.networks import load_networks
from trackbench.plugins.fdnc.normalise import normalised
from trackbench.plugins.fdnc.pose import agreed_poses, sure_poses
from trackbench.plugins.fdnc.refine import Refinement, bendable
from trackbench.plugins.fdnc.tables import certainty, log_posteriors, refined_all, shifted_all

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from trackbench.plugins.fdnc.config import FdncConfig
    from trackbench.plugins.fdnc.networks import Encoded
    from trackbench.plugins.fdnc.pose import Looks
    from trackbench.plugins.fdnc.refine import Bendable

    Floats = NDArray[np.float32]
    PoseSearch = Callable[[Looks, Floats, NDArray[np.bool_]], Floats]

__all__ = ["BUCKET", "FEWEST_POINTS", "Engine", "Template"]

BUCKET = 16
"""Tests are padded to a multiple of this and batched with tests of the same padded size only:
what a test gives doesn't depend on its batch."""

TESTS_AT_ONCE = 32
"""More would leave the processor's cache."""

LAY_CERTAINTY = 0.5
"""Mean of the best probabilities below which a test is laid onto the template and seen again:
the network knows two animals better the nearer they lie."""

LEAST_PAIRED = 0.3
"""Probability of having a partner from which a neuron has a say in how a test is laid."""

ROLLS = 6
"""Rolls that are tried, head first and tail first, where no pose is believed."""

LEAST_CERTAINTY = 0.33
"""Mean of the best probabilities below which a pose is not believed: first that of the test,
then that of the template."""

SURER = 1.35
"""Factor by which another pose must be surer to be believed. Of several wrong poses the best
comes near to the right one where worms differ; a wrong pose falls far behind."""

POSE_GRID = 1024
"""Entries of rotations are multiples of its inverse."""

FEWEST_POINTS = 4
"""Fewer points have no pose."""


@dataclass(frozen=True, eq=False)
class Clouds:
    """A padded batch: zyx_um (b, n, 3), zero where padded, and mask (b, n) of bool."""

    zyx_um: Floats
    mask: NDArray[np.bool_]

    @classmethod
    def padded(cls, clouds: Sequence[Floats], width: int) -> Clouds:
        """Bring clouds to one size."""
        points = np.zeros((len(clouds), width, 3), dtype=np.float32)
        mask = np.zeros((len(clouds), width), dtype=np.bool_)
        for i, cloud in enumerate(clouds):
            points[i, : len(cloud)] = cloud
            mask[i, : len(cloud)] = True
        return cls(points, mask)

    def __len__(self) -> int:
        return len(self.zyx_um)

    def take(self, rows: Sequence[int] | NDArray[np.intp]) -> Clouds:
        """Keep some clouds."""
        return Clouds(self.zyx_um[rows], self.mask[rows])

    def points(self, row: int) -> Floats:
        """Give one cloud without its padding."""
        cloud: Floats = self.zyx_um[row, : self.mask[row].sum()]
        return cloud


@dataclass(frozen=True, eq=False)
class Template:
    """A template in the anatomical frame, as tests meet it.

    `turned` keeps it in other poses, from when they are first asked for.
    """

    bendable: Bendable
    encoded: Encoded
    turned: list[Template] = field(default_factory=list)


@dataclass(frozen=True, eq=False)
class Seen:
    """One test in a pose: its points (m, 3) and its scores, see `normalise`."""

    points: Floats
    scores: Floats

    @cached_property
    def certainty(self) -> float:
        """Mean of the largest pair probability of every neuron."""
        return certainty(self.scores)

    def laid_onto(self, template_um: Floats) -> Floats:
        """Turn and shift the points onto the mean places of their partners."""
        found = normalised(self.scores)
        pairs = (found.rows[:, None] * found.exponential * found.columns)[:-1, :-1]
        paired = pairs.sum(axis=1)
        rows = paired > LEAST_PAIRED
        if rows.sum() < FEWEST_POINTS:
            return self.points
        places = (pairs[rows] @ template_um) / paired[rows, None]
        moved: Floats = fit_rigid(self.points[rows], places, paired[rows])(self.points)
        return moved.astype(np.float32)


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
        self.networks, self.trained = load_networks(config, weights)
        self.refinement = Refinement(
            config.refine,
            config.refine_start_um,
            config.refine_end_um,
            config.refine_limit_um,
            config.refine_prior,
        )

    @torch.inference_mode()
    def encode(self, points: Floats) -> Template:
        """Encode a template (n, 3), n >= FEWEST_POINTS, in its principal axes (`points`)."""
        clouds = self._anatomical(Clouds.padded([points], len(points)), agreed_poses)
        return self._template(clouds.zyx_um[0])

    def _template(self, zyx_um: Floats) -> Template:
        encoded = self.networks.encode(
            zyx_um,
            temperature=self.config.temperature,
            none_bias=self.config.none_bias,
        )
        return Template(bendable(zyx_um), encoded)

    def _in_other_poses(self, template: Template) -> list[Template]:
        """Turn a template by every other of the turns that tests are tried in."""
        if not template.turned:
            points = template.bendable.zyx_um
            template.turned.extend(self._template(points @ turn) for turn in TURNS[1::2])
        return template.turned

    def log_p(self, template: Template, tests: Sequence[Floats]) -> list[Floats]:
        """Log-probabilities (m, n + 1) of tests (m, 3), m >= FEWEST_POINTS, in their order."""
        sizes = [-(-len(test) // BUCKET) * BUCKET for test in tests]
        found: dict[int, Floats] = {}
        for batch in _batches(sizes):
            clouds = Clouds.padded([tests[i] for i in batch], sizes[batch[0]])
            found.update(zip(batch, self._compare(template, clouds), strict=True))
        return [found[i] for i in range(len(tests))]

    def _anatomical(self, clouds: Clouds, find: PoseSearch) -> Clouds:
        """Turn clouds to the anatomical frame."""
        poses = find(self.networks.look_at_pose, clouds.zyx_um, clouds.mask)
        # in another batch the last digits differ, of which bfloat16 would make thousandths
        matrices = np.round(poses * POSE_GRID) / np.float32(POSE_GRID)
        return Clouds(clouds.zyx_um @ matrices, clouds.mask)

    @torch.inference_mode()
    def _compare(self, template: Template, clouds: Clouds) -> list[Floats]:
        seen = self._looked(template, self._anatomical(clouds, sure_poses))
        return self._matched([self._placed(template, one) for one in seen])

    def _matched(self, placed: Sequence[tuple[Template, Seen]]) -> list[Floats]:
        """Refine tests, all that meet the same template together; give their log-probabilities."""
        found: dict[int, Floats] = {}
        for template in {id(own): own for own, _ in placed}.values():
            rows = [i for i, (own, _) in enumerate(placed) if own is template]
            pairs = [(placed[i][1].scores, placed[i][1].points) for i in rows]
            refined = refined_all(pairs, template.bendable, self.refinement)
            found.update(zip(rows, log_posteriors([one.scores for one in refined]), strict=True))
        return [found[i] for i in range(len(placed))]

    def _placed(self, template: Template, seen: Seen) -> tuple[Template, Seen]:
        """Try other poses of a test where there is doubt, then of the template too."""
        if seen.certainty < LEAST_CERTAINTY:
            seen = _surer(seen, self._turned(template, seen.points))
        if seen.certainty < LEAST_CERTAINTY:
            for turned in self._in_other_poses(template):
                other = self._turned(turned, seen.points)
                if _surer(seen, other) is other:
                    template, seen = turned, other
        return template, seen

    def _turned(self, template: Template, points: Floats) -> Seen:
        """Turn a test every way; keep what matches most surely by the first level."""
        every = Clouds(points @ TURNS, np.ones((len(TURNS), len(points)), dtype=np.bool_))
        values = [seen.certainty for seen in self._seen(template, every, 0)]
        return self._looked(template, every.take([int(np.argmax(values))]))[0]

    def _looked(self, template: Template, tests: Clouds) -> list[Seen]:
        """Look at tests; once more, laid onto the template, at those that are in doubt."""
        seen = self._seen(template, tests, -1)
        doubtful = [i for i, one in enumerate(seen) if one.certainty < LAY_CERTAINTY]
        if doubtful:
            laid = [seen[i].laid_onto(template.bendable.zyx_um) for i in doubtful]
            moved = Clouds.padded(laid, tests.zyx_um.shape[1])
            for i, again in zip(doubtful, self._seen(template, moved, -1), strict=True):
                seen[i] = Seen(seen[i].points, again.scores)
        return seen

    def _seen(self, template: Template, tests: Clouds, level: int) -> list[Seen]:
        """Score tests by the blocks up to a level."""
        raw = self.networks.scores(template.encoded, tests.zyx_um, tests.mask, level)
        points = [tests.points(i) for i in range(len(tests))]
        tables = [table[: len(own)] for table, own in zip(raw, points, strict=True)]
        shifted = shifted_all(tables, template.encoded.alone[level])
        return [Seen(own, table) for own, table in zip(points, shifted, strict=True)]


def _surer(seen: Seen, other: Seen) -> Seen:
    """Give the other pose where it is clearly surer."""
    return other if other.certainty > SURER * seen.certainty else seen


def _batches(sizes: Sequence[int]) -> Iterator[list[int]]:
    """Group tests of one padded size, at most TESTS_AT_ONCE together."""
    for size in set(sizes):
        fit = [i for i, own in enumerate(sizes) if own == size]
        for batch in np.array_split(fit, -(-len(fit) // TESTS_AT_ONCE)):
            yield batch.tolist()


def _turns() -> Floats:
    """Rotations (2 * ROLLS, 3, 3) about x, head first and tail first, for `points @ matrix`."""
    angles = np.arange(ROLLS) * (2 * math.pi / ROLLS)
    rolls = np.zeros((ROLLS, 3, 3), dtype=np.float32)
    rolls[:, 0, 0] = rolls[:, 1, 1] = np.cos(angles)
    rolls[:, 0, 1], rolls[:, 1, 0] = np.sin(angles), -np.sin(angles)
    rolls[:, 2, 2] = 1.0
    return np.concatenate([rolls, rolls * np.array([1.0, -1.0, -1.0], dtype=np.float32)])


TURNS = _turns()
