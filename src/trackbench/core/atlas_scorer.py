"""Log-posterior of neurons over the names of an atlas."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from trackbench.core.gaussians import Gaussians

if TYPE_CHECKING:
    from trackbench.core.alignment_config import AlignmentConfig
    from trackbench.core.geometry import FloatArray
    from trackbench.core.statistical_atlas import StatisticalAtlas

__all__ = ["Scorer"]

BOX_UM3: Final = 40.0 * 40.0 * 180.0
"""Volume in which a neuron that is none of the names may lie."""

COLOR_BOX: Final = 4.0**3
"""Volume of compressed colors that such a neuron may have."""


@dataclass(frozen=True, eq=False)
class Scorer:
    """The atlas in the form that expectation steps use.

    Parameters
    ----------
    position, color : Gaussians
    log_prior : ndarray, (k,)
        Log-share of each name among all neurons.
    log_none : float
        Log of prior times density of a neuron that is none of the names.
    color_weight : float
    """

    position: Gaussians
    color: Gaussians
    log_prior: FloatArray
    log_none: float
    color_weight: float

    @classmethod
    def of(cls, atlas: StatisticalAtlas, config: AlignmentConfig, blur_um: float = 0.0) -> Scorer:
        """Factor the covariances, the positions' widened by `blur_um`."""
        share = atlas.presence / atlas.presence.sum() * (1.0 - config.none_share)
        return cls(
            Gaussians.of(atlas.position, atlas.position_cov + blur_um**2 * np.eye(3)),
            Gaussians.of(atlas.color, atlas.color_cov),
            np.log(share),
            float(np.log(config.none_share / BOX_UM3)),
            config.color_weight,
        )

    def color_scores(self, color: FloatArray | None, count: int) -> FloatArray:
        """Log-density of colors relative to "none of the names", weighted, (n, k).

        Parameters
        ----------
        color : ndarray, (n, 3), or None
            Compressed.
        count : int
            n.
        """
        if color is None:
            return np.zeros((count, len(self.log_prior)))
        density = self.color.log_density(color) + np.log(COLOR_BOX)
        weighted: FloatArray = self.color_weight * density
        return weighted

    def joint(self, zyx_um: FloatArray, color_scores: FloatArray) -> FloatArray:
        """Unnormalised log-posterior of aligned neurons, (n, k + 1), last column = none."""
        named = self.position.log_density(zyx_um) + color_scores + self.log_prior
        return np.hstack([named, np.full((len(zyx_um), 1), self.log_none)])
