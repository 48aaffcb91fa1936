"""The arithmetic behind the matcher: pose, comparison, refinement, normalisation."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import torch

from trackbench.errors import UsageError
from trackbench.plugins.fdnc.networks import load_networks
from trackbench.plugins.fdnc.normalise import certainty, log_posterior, shifted
from trackbench.plugins.fdnc.pose import agreed_poses, sure_poses
from trackbench.plugins.fdnc.refine import Refined, Refinement, bendable, refined

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray
    from trackbench.plugins.fdnc.config import FdncConfig
    from trackbench.plugins.fdnc.networks import Encoded, Look
    from trackbench.plugins.fdnc.pose import Looks, Poses
    from trackbench.plugins.fdnc.refine import Bendable

    Floats = NDArray[np.float32]
    PoseSearch = Callable[[Looks, Floats, NDArray[np.bool_]], Poses]

__all__ = ["BUCKET", "FEWEST_POINTS", "Engine", "Template"]

BUCKET = 16
"""Tests are padded to a multiple of this and batched with tests of the same padded size only:
what a test gives doesn't depend on its batch."""

TESTS_AT_ONCE = 32
"""More would leave the processor's cache."""

ROLLS = 6
"""Rolls that are tried, head first and tail first, where no pose is believed."""

LEAST_CERTAINTY = 0.33
"""Mean of the best probabilities below which a pose is not believed: first that of the test,
then that of the template."""

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
    """One test in a pose: its points (m, 3) and its scores at a level, see `normalise`."""

    points: Floats
    scores: Floats

    def certainty(self) -> float:
        """Mean of the largest pair probability of every neuron."""
        return certainty(self.scores)


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
        clouds, _ = self._anatomical(Clouds.padded([points], len(points)), agreed_poses)
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

    def _anatomical(self, clouds: Clouds, find: PoseSearch) -> tuple[Clouds, list[Floats]]:
        """Turn clouds to the anatomical frame; give what turns each to its other poses too."""
        poses = find(self.networks.look_at_pose, clouds.zyx_um, clouds.mask)
        # in another batch the last digits differ, of which bfloat16 would make thousandths
        matrices = np.round(poses.matrices * POSE_GRID) / np.float32(POSE_GRID)
        back = matrices.transpose(0, 2, 1)
        turns = [one @ others for one, others in zip(back, poses.others, strict=True)]
        return Clouds(clouds.zyx_um @ matrices, clouds.mask), turns

    @torch.inference_mode()
    def _compare(self, template: Template, clouds: Clouds) -> list[Floats]:
        """Match by as few blocks as are enough: where the bent template fits, half of them."""
        tests, turns = self._anatomical(clouds, sure_poses)
        look = self._begin(template, tests)
        tables: dict[int, Floats] = {}
        for i, seen in enumerate(self._seen(template, tests, look)):
            found = self._refined(template, seen)
            if found.residual_um < self.config.enough_um:
                tables[i] = log_posterior(found.scores)
        rest = [i for i in range(len(tests)) if i not in tables]
        if rest:
            some = look if len(rest) == len(tests) else look.take(np.array(rest))
            last = self._seen(template, tests.take(rest), self._to_end(template, some))
            for i, seen in zip(rest, last, strict=True):
                tables[i] = self._at_last(template, seen, turns[i])
        return [tables[i] for i in range(len(tests))]

    def _at_last(self, template: Template, seen: Seen, turns: Floats) -> Floats:
        """Give the log-probabilities of one test; try other poses where there is doubt.

        First those that the pose network thought of, then all, then all of the template.
        """
        for others in (turns, TURNS):
            if len(others) and (others is turns or seen.certainty() < LEAST_CERTAINTY):
                seen = max(seen, self._turned(template, seen.points, others), key=Seen.certainty)
        value = seen.certainty()
        if value < LEAST_CERTAINTY:
            for turned in self._in_other_poses(template):
                other = self._turned(turned, seen.points, TURNS)
                if other.certainty() > value:
                    template, seen, value = turned, other, other.certainty()
        return log_posterior(self._refined(template, seen).scores)

    def _turned(self, template: Template, points: Floats, turns: Floats) -> Seen:
        """Turn a test and keep what matches most surely.

        All turns are looked at by the first level of the network, the best by all of it.
        """
        every = Clouds(points @ turns, np.ones((len(turns), len(points)), dtype=np.bool_))
        first = self._begin(template, every)
        values = [seen.certainty() for seen in self._seen(template, every, first)]
        best = [int(np.argmax(values))]
        last = self._to_end(template, first.take(np.array(best)))
        return next(self._seen(template, every.take(best), last))

    def _begin(self, template: Template, tests: Clouds) -> Look:
        look = self.networks.begin(tests.zyx_um, tests.mask)
        return self.networks.further(template.encoded, look)

    def _to_end(self, template: Template, look: Look) -> Look:
        while look.depth < self.networks.levels[-1]:
            look = self.networks.further(template.encoded, look)
        return look

    def _seen(self, template: Template, tests: Clouds, look: Look) -> Iterator[Seen]:
        """Score each test at the level that its look has come to."""
        alone = template.encoded.alone[self.networks.levels.index(look.depth)]
        for i, table in enumerate(self.networks.tables(template.encoded, look)):
            points = tests.points(i)
            yield Seen(points, shifted(table[: len(points)], alone))

    def _refined(self, template: Template, seen: Seen) -> Refined:
        return refined(seen.scores, seen.points, template.bendable, self.refinement)


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
