"""The matcher `pycpd`: the library's rigid, then deformable registration.

It gets what `cpd` gets: the same starting poses, the choice among them by likelihood, a width
that is carried from the rigid to the deformable step, and posteriors instead of distances.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import Field

from trackbench.core.plugin import Config, PairwiseMatcher
from trackbench.core.poses import same_handed, starts
from trackbench.core.types import Match, PointCloud

if TYPE_CHECKING:
    from numpy.typing import NDArray

    FloatArray = NDArray[np.float64]

__all__ = ["PycpdConfig", "PycpdMatcher"]

EXTENTS = 4.0
LOWEST = 1e-30


class PycpdConfig(Config):
    """Parameters of `pycpd`; lengths in µm."""

    w: float = Field(default=0.05, gt=0, lt=1, description="share of outliers")
    turns: int = Field(default=8, ge=0, le=64, description="starts turned in the image plane")
    rolls: int = Field(
        default=4, ge=0, le=32, description="starts rolled about the long axis, per head direction"
    )
    start_sigma: float = Field(default=10.0, gt=0, le=200, description="width at the start in µm")
    rigid_steps: int = Field(default=50, ge=1, le=1000, description="most rigid iterations")
    bend_steps: int = Field(default=100, ge=1, le=1000, description="most deformable iterations")
    tolerance: float = Field(
        default=1e-3, ge=0, le=1, description="change of the objective at which a step ends"
    )
    beta: float = Field(
        default=30.0, gt=0, le=1000, description="width of the deformation kernel in µm"
    )
    bend: float = Field(
        default=5.0,
        gt=0,
        le=1000,
        description="standard deviation of the deformation in µm; the library's alpha is 1 / bend²",
    )


@dataclass(frozen=True, eq=False)
class _Posed:
    """One start after the rigid step, in units of `_unit`; as it was where the library diverged."""

    test: FloatArray
    template: FloatArray
    variance: float
    log_likelihood: float


class PycpdMatcher(PairwiseMatcher[PycpdConfig]):
    """The pycpd library, rigid then deformable, from the same starting poses as `cpd`."""

    name = "pycpd"
    Config = PycpdConfig
    cite = "Gatti and Khallaghi, JOSS 7:4681 (2022)"

    def match_pair(self, template: PointCloud, test: PointCloud) -> Match:
        """Try every start, keep the most likely, bend, and read the posteriors."""
        if not len(template) or not len(test):
            return Match.from_pairs((), len(test), len(template), template.id, test.id)
        a = template.zyx_um.astype(np.float64) - template.zyx_um.mean(axis=0)
        b = same_handed(test, template.mirrored).astype(np.float64)
        b -= b.mean(axis=0)
        unit = _unit(a, len(b))
        turned = starts(a, b, self.config.turns, self.config.rolls)
        posed = [self._rigid(a / unit, b @ rotation.T / unit, unit) for rotation in turned]
        best = max(posed, key=lambda one: one.log_likelihood)
        bent = self._bent(best, unit)
        scores = bent if np.isfinite(bent).all() else self._scores(best)
        return Match.from_scores(scores, template.id, test.id)

    def _scores(self, posed: _Posed) -> FloatArray:
        joint = _joint(posed.test, posed.template, posed.variance, self.config.w)
        return np.log(np.maximum(joint, LOWEST))

    def _rigid(self, template: FloatArray, test: FloatArray, unit: float) -> _Posed:
        from pycpd import RigidRegistration

        found = RigidRegistration(
            X=test,
            Y=template,
            sigma2=(self.config.start_sigma / unit) ** 2,
            w=self.config.w,
            max_iterations=self.config.rigid_steps,
            tolerance=self.config.tolerance,
            scale=False,
        )
        with np.errstate(invalid="ignore", divide="ignore"):
            moved, _ = found.register()
        variance = float(found.sigma2)
        if not (np.isfinite(moved).all() and variance > 0):
            return _Posed(test, template, (self.config.start_sigma / unit) ** 2, -np.inf)
        joint = _joint(test, moved, variance, self.config.w)
        likelihood = float(np.log(joint.sum(axis=1)).mean() - 1.5 * np.log(variance))
        return _Posed(test, moved, variance, likelihood)

    def _bent(self, posed: _Posed, unit: float) -> FloatArray:
        from pycpd import DeformableRegistration

        found: Any = DeformableRegistration(
            X=posed.test,
            Y=posed.template,
            sigma2=posed.variance,
            w=self.config.w,
            alpha=(unit / self.config.bend) ** 2,
            beta=self.config.beta / unit,
            max_iterations=self.config.bend_steps,
            tolerance=self.config.tolerance,
        )
        with np.errstate(invalid="ignore", divide="ignore"):
            moved, _ = found.register()
        joint = _joint(posed.test, moved, float(found.sigma2), self.config.w)
        return np.log(np.maximum(joint, LOWEST))


def _joint(test: FloatArray, template: FloatArray, variance: float, w: float) -> FloatArray:
    """Give the library's expectation (m, n + 1) before it is normalised, the outliers last."""
    squared = np.square(test[:, None] - template[None]).sum(axis=2)
    none = (2 * np.pi * variance) ** 1.5 * w / (1 - w) * len(template) / len(test)
    return np.hstack([np.exp(-squared / (2 * variance)), np.full((len(test), 1), none)])


def _unit(template: FloatArray, m: int) -> float:
    """Give the length in µm that makes the library's outlier density fit.

    The library spreads outliers at a density of one a test neuron and unit of volume, whatever
    the unit. In this unit the box around the template (edges of four standard deviations along
    its principal axes) has a volume of m.
    """
    variance = np.linalg.eigvalsh(np.cov(template.T, bias=True))
    room = float(np.prod(EXTENTS * np.sqrt(np.maximum(variance, 1.0))))
    return float((room / m) ** (1 / 3))
