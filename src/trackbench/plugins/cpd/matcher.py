"""The matcher `cpd`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from trackbench.core.plugin import Matcher
from trackbench.core.types import Match
from trackbench.plugins.cpd.bend import Bent, Field, bend_template, smooth_field
from trackbench.plugins.cpd.config import CpdConfig
from trackbench.plugins.cpd.estep import Problems
from trackbench.plugins.cpd.poses import starts
from trackbench.plugins.cpd.rigid import Poses, fit_poses

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from trackbench.core.types import PointCloud
    from trackbench.plugins.cpd.estep import FloatArray

__all__ = ["CpdMatcher"]

BUCKET = 16
"""Tests are padded to a multiple of this many neurons and batched with tests of the same padded
size only: the arithmetic of a test then never depends on what it is batched with."""

TESTS_AT_ONCE = 8
EXTENTS = 4.0
LOWEST = 1e-30


@dataclass(frozen=True, eq=False)
class Prepared:
    """What depends on the template alone: centred points in µm, its field and its volume in µm³."""

    id: str
    points: FloatArray
    field: Field
    room: float


class CpdMatcher(Matcher[CpdConfig]):
    """Rigid, then non-rigid coherent point drift from many poses, chosen by likelihood."""

    name = "cpd"
    Config = CpdConfig
    cite = "Myronenko and Song, IEEE TPAMI 32:2262 (2010)"

    def prepare(self, template: PointCloud) -> Prepared:
        """Centre the template and decompose its kernel."""
        config = self.config
        points = _centred(template.zyx_um)
        scales = [(config.beta, config.bend), (config.beta / 2, config.detail)]
        field = smooth_field(points, scales, config.stretch)
        return Prepared(template.id, points, field, _room(points))

    def match(self, prepared: Prepared, tests: Sequence[PointCloud]) -> list[Match]:
        """Register tests of similar size together."""
        found: dict[int, Match] = {}
        sizes = [-(-len(test) // BUCKET) * BUCKET for test in tests]
        for size in sorted(set(sizes)):
            index = [i for i, own in enumerate(sizes) if own == size]
            for first in range(0, len(index), TESTS_AT_ONCE):
                some = index[first : first + TESTS_AT_ONCE]
                tables = self._register(prepared, [tests[i].zyx_um for i in some], size)
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
        index, poses = self._search(prepared, problems)
        posed = Problems(poses(problems.points[index]), problems.mask[index])
        config = self.config
        sigmas = np.geomspace(config.rigid_sigma, config.end_sigma, config.bend_steps)
        bent = bend_template(
            posed,
            prepared.points,
            prepared.field,
            sigmas,
            config.w,
            prepared.room,
            config.exclusion,
        )
        best = bent.evidence.reshape(len(tests), -1).argmax(axis=1)
        best = best + np.arange(len(tests)) * (len(index) // len(tests))
        return _tables(bent, best, tests)

    def _search(self, prepared: Prepared, problems: Problems) -> tuple[NDArray[np.intp], Poses]:
        config, count = self.config, len(problems.points)
        turned = np.stack(
            [
                starts(prepared.points, points[mask > 0], config.turns, config.rolls)
                for points, mask in zip(problems.points, problems.mask, strict=True)
            ]
        ).astype(np.float32)
        tried = turned.shape[1]
        index = np.repeat(np.arange(count), tried)
        poses = Poses(
            turned.reshape(-1, 3, 3),
            np.zeros((len(index), 3), dtype=np.float32),
            np.zeros(len(index)),
        )
        sigmas = np.geomspace(config.start_sigma, config.rigid_sigma, config.rigid_steps)
        for chunk in np.array_split(sigmas, HALVINGS):
            poses = fit_poses(
                problems.take(index), prepared.points, poses, chunk, config.w, prepared.room
            )
            tried = max(min(config.keep, tried), tried // 2)
            order = np.argsort(-poses.log_likelihood.reshape(count, -1), axis=1, kind="stable")
            width = order.shape[1]
            kept = (order[:, :tried] + np.arange(count)[:, None] * width).ravel()
            index, poses = index[kept], poses.take(kept)
        return index, poses


HALVINGS = 4


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


def _tables(
    bent: Bent, best: NDArray[np.intp], tests: Sequence[FloatArray]
) -> list[NDArray[np.float64]]:
    tables = []
    for i, test in zip(best, tests, strict=True):
        kernel = bent.found.kernel[i, : len(test)].astype(np.float64)
        none = np.full((len(test), 1), bent.found.none)
        tables.append(np.log(np.maximum(np.concatenate([kernel, none], axis=1), LOWEST)))
    return tables
