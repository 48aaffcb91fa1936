"""The matcher `cpd`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from trackbench.core.plugin import Matcher
from trackbench.core.poses import same_handed, starts
from trackbench.core.types import Match, PointCloud
from trackbench.plugins.cpd.bend import Bent, Field, bend_template, smooth_field
from trackbench.plugins.cpd.config import CpdConfig
from trackbench.plugins.cpd.estep import Mixture, Problems, Responsibility, respond
from trackbench.plugins.cpd.rigid import Poses, fit_poses
from trackbench.plugins.cpd.yu2021 import yu2021_pairs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from trackbench.plugins.cpd.estep import FloatArray

__all__ = ["CpdMatcher"]

BUCKET = 16
"""Tests are padded to a multiple of this many neurons and batched with tests of the same padded
size only: the arithmetic of a test then never depends on what it is batched with."""

TESTS_AT_ONCE = 8
RUNGS = (2 / 15, 1 / 3, 3 / 5)
"""Successive halving: at these shares of the non-rigid iterations the worse half of the poses of
a test is given up, and once more at the end."""

EXTENTS = 4.0
"""Edges of the box of the template, in standard deviations along its principal axes."""

LOWEST = 1e-30


@dataclass(frozen=True, eq=False)
class Prepared:
    """What depends on the template alone: centred points in µm, its field and its volume in µm³."""

    id: str
    mirrored: bool | None
    points: FloatArray
    field: Field
    room: float


class CpdMatcher(Matcher[CpdConfig]):
    """Rigid, then non-rigid coherent point drift from many poses, chosen by likelihood."""

    name = "cpd"
    Config = CpdConfig
    cite = "Myronenko and Song, IEEE TPAMI 32:2262 (2010)"

    def prepare(self, template: PointCloud) -> Prepared | PointCloud:
        """Centre the template and decompose its kernel."""
        config = self.config
        if config.preset == "yu2021":
            return template
        points = _centred(template.zyx_um)
        scales = [(config.beta, config.bend), (config.beta / 2, config.detail)]
        field = smooth_field(points, scales, config.stretch)
        return Prepared(template.id, template.mirrored, points, field, _room(points))

    def match(self, prepared: Prepared | PointCloud, tests: Sequence[PointCloud]) -> list[Match]:
        """Register tests of similar size together."""
        if isinstance(prepared, PointCloud):
            return [_published(prepared, test) for test in tests]
        found: dict[int, Match] = {}
        sizes = [-(-len(test) // BUCKET) * BUCKET for test in tests]
        for size in sorted(set(sizes)):
            index = [i for i, own in enumerate(sizes) if own == size]
            for first in range(0, len(index), TESTS_AT_ONCE):
                some = index[first : first + TESTS_AT_ONCE]
                points = [same_handed(tests[i], prepared.mirrored) for i in some]
                tables = self._register(prepared, points, size)
                for i, table in zip(some, tables, strict=True):
                    found[i] = Match.from_scores(table, prepared.id, tests[i].id)
        return [found[i] for i in range(len(tests))]

    def _register(
        self, prepared: Prepared, tests: Sequence[FloatArray], size: int
    ) -> list[NDArray[np.float64]]:
        n = len(prepared.points)
        if not n or not size:
            return [np.zeros((len(test), n + 1)) for test in tests]
        problems = _padded(tests, size)
        found, best = self._bend(prepared, self._pose(prepared, problems), len(tests))
        return [
            _table(found, i, len(test)) / self.config.temperature
            for i, test in zip(best, tests, strict=True)
        ]

    def _pose(self, prepared: Prepared, problems: Problems) -> Problems:
        """Lay each test over the template in `keep` different ways, in order of the tests."""
        config = self.config
        rotations = np.stack(
            [
                starts(prepared.points, points[mask > 0], config.turns, config.rolls)
                for points, mask in zip(problems.points, problems.mask, strict=True)
            ]
        )
        count, tried = rotations.shape[:2]
        index = np.repeat(np.arange(count), tried)
        poses = Poses.turned(rotations.reshape(-1, 3, 3))
        widths = np.geomspace(config.start_sigma, config.rigid_sigma, config.rigid_steps)
        mixture = Mixture(config.w, prepared.room)
        tests = problems.take(index)
        poses = fit_poses(tests, prepared.points, poses, widths, mixture)
        posed = Problems(poses(tests.points), tests.mask)
        found = respond(posed, prepared.points[None], config.rigid_sigma, mixture)
        score = np.where(poses.repeats(count), -np.inf, found.log_likelihood(tests.mask))
        return posed.take(_best(score, count, min(config.keep, tried)))

    def _bend(
        self, prepared: Prepared, posed: Problems, count: int
    ) -> tuple[Responsibility, NDArray[np.intp]]:
        """Bend the template in every pose; give the outcome and the best pose of each test."""
        config = self.config
        mixture = Mixture(config.w, prepared.room, config.exclusion)
        bent = Bent.straight(prepared.points, len(posed.points))
        widths = np.geomspace(config.rigid_sigma, config.end_sigma, config.bend_steps)
        tried = len(posed.points) // count
        for some in _rungs(widths):
            bent = bend_template(posed, prepared.field, bent, some, mixture)
            tried = -(-tried // 2)
            found = respond(posed, bent.centres, some[-1], mixture)
            kept = _best(bent.evidence(posed, found), count, tried)
            bent, posed = bent.take(kept), posed.take(kept)
        found = respond(posed, bent.centres, config.end_sigma, mixture)
        return found, _best(bent.evidence(posed, found), count, 1)


def _rungs(widths: NDArray[np.float64]) -> list[NDArray[np.float64]]:
    """Cut an annealing schedule at the points where poses are given up."""
    cuts = [round(share * len(widths)) for share in RUNGS]
    return [some for some in np.split(widths, cuts) if len(some)]


def _published(template: PointCloud, test: PointCloud) -> Match:
    pairs = yu2021_pairs(template.zyx_um, same_handed(test, template.mirrored))
    return Match.from_pairs(pairs, len(test), len(template), template.id, test.id)


def _centred(points: FloatArray) -> FloatArray:
    return points - points.mean(axis=0) if len(points) else points


def _room(points: FloatArray) -> float:
    if not len(points):
        return 1.0
    variance = np.linalg.eigvalsh(np.cov(points.astype(np.float64).T, bias=True))
    return float(np.prod(EXTENTS * np.sqrt(np.maximum(variance, 1.0))))


def _padded(tests: Sequence[FloatArray], size: int) -> Problems:
    points = np.zeros((len(tests), size, 3), dtype=np.float32)
    mask = np.zeros((len(tests), size), dtype=np.float32)
    for i, test in enumerate(tests):
        points[i, : len(test)] = _centred(test)
        mask[i, : len(test)] = 1.0
    return Problems(points, mask)


def _best(score: NDArray[np.float64], count: int, kept: int) -> NDArray[np.intp]:
    """Index the best `kept` problems of each of `count` tests, given the score of every problem."""
    order = np.argsort(-score.reshape(count, -1), axis=1, kind="stable")
    first = np.arange(count)[:, None] * order.shape[1]
    chosen: NDArray[np.intp] = (order[:, :kept] + first).ravel()
    return chosen


def _table(found: Responsibility, i: int, rows: int) -> NDArray[np.float64]:
    kernel = found.kernel[i, :rows].astype(np.float64)
    none = np.full((rows, 1), found.none)
    table: NDArray[np.float64] = np.log(np.maximum(np.hstack([kernel, none]), LOWEST))
    return table
