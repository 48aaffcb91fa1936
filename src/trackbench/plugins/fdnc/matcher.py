"""The matcher `fdnc`."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from trackbench.core.plugin import Backend, Matcher
from trackbench.core.types import Match
from trackbench.plugins.fdnc.config import FdncConfig
from trackbench.plugins.fdnc.kernels import suit, why_absent
from trackbench.plugins.fdnc.points import canonical_points

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from trackbench.core.types import PointCloud
    from trackbench.plugins.fdnc.engine import Engine, Template

__all__ = ["FdncMatcher"]

SHIPPED: Final = Path(__file__).with_name("weights.safetensors")
KERNELS: Final = "native kernels"
TORCH: Final = "torch"


@dataclass(frozen=True, eq=False)
class Prepared:
    """What depends on the template alone.

    Parameters
    ----------
    id : str
    columns : (n + 1,) array
        Where the rows of the template stand in canonical order, and the place of "no partner".
    template : Template, optional
        None where there are too few points for a pose.
    """

    id: str
    columns: NDArray[np.intp]
    template: Template | None


class FdncMatcher(Matcher[FdncConfig]):
    """Transformer on positions, trained on simulated worms; see the package's docstring."""

    name = "fdnc"
    Config = FdncConfig
    cite = "Yu et al. 2021, eLife 10:e66410"

    @property
    def backend(self) -> Backend:
        """The kernels or torch, without reading the weights.

        Of weights that the shipped ones' kernels don't fit, torch computes in either case.
        """
        if not suit(self.config):
            return Backend(TORCH)
        why = why_absent()
        if why is not None:
            return Backend(TORCH, why)
        unsure = "" if self.config.weights is None else "torch where the network's sizes don't fit"
        return Backend(KERNELS, unsure)

    @cached_property
    def engine(self) -> Engine:
        """The networks, loaded at their first use."""
        from trackbench.plugins.fdnc.engine import Engine

        return Engine(self.config, self.config.weights or SHIPPED)

    @property
    def trained_on(self) -> frozenset[str]:
        """Keys of the worms that the weights saw."""
        return self.engine.trained.trained_on

    def prepare(self, template: PointCloud) -> Prepared:
        """Encode the template once."""
        points, order = canonical_points(template)
        known = self.engine.encode(points) if self._has_pose(points) else None
        return Prepared(template.id, np.append(np.argsort(order), len(order)), known)

    def match(self, prepared: Prepared, tests: Sequence[PointCloud]) -> list[Match]:
        """Match tests of similar size together."""
        canonical = [canonical_points(test) for test in tests]
        posed = [i for i, (points, _) in enumerate(canonical) if self._has_pose(points)]
        tables: dict[int, NDArray[np.float32]] = {}
        if prepared.template is not None and posed:
            found = self.engine.log_p(prepared.template, [canonical[i][0] for i in posed])
            tables.update(zip(posed, found, strict=True))
        return [
            Match(_as_given(tables.get(i), order, prepared.columns), prepared.id, test.id)
            for i, ((_, order), test) in enumerate(zip(canonical, tests, strict=True))
        ]

    @staticmethod
    def _has_pose(points: NDArray[np.float32]) -> bool:
        from trackbench.plugins.fdnc.engine import FEWEST_POINTS

        return len(points) >= FEWEST_POINTS


def _as_given(
    table: NDArray[np.float32] | None, order: NDArray[np.intp], columns: NDArray[np.intp]
) -> NDArray[np.float32]:
    """Bring a table to the order in which the points were given; all are alike where it's None."""
    given = np.empty((len(order), len(columns)), dtype=np.float32)
    given[order] = -np.log(len(columns)) if table is None else table[:, columns]
    return given
