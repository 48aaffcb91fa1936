"""The statistical atlas as a value: one Gaussian of position and one of color for each name."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from trackbench.core.atlas import (
    ALIGN_RIDGE_UM2,
    NamedPoints,
    align_to_means,
    anatomical_means,
    color_of,
    common_names,
    gaussians_by_name,
    named_points,
    presence_by_name,
)
from trackbench.core.color import compressed_color

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from trackbench.core.geometry import FloatArray
    from trackbench.core.types import PointCloud
    from trackbench.core.weights import Weights

__all__ = ["StatisticalAtlas", "aligned_worms", "atlas_of", "fit_atlas", "fit_published"]

FLOOR_UM2: Final = 0.5
"""Added to each variance of position: neurons are marked by hand, to about 0.7 µm."""

FLOOR_COLOR: Final = 0.02
"""Added to each variance of compressed color."""


@dataclass(frozen=True, eq=False)
class StatisticalAtlas:
    """Means and covariances by name.

    Parameters
    ----------
    names : tuple of str, length k
    position : ndarray, (k, 3)
        Mean z, y, x in µm, in the anatomical frame.
    position_cov : ndarray, (k, 3, 3)
        µm².
    color : ndarray, (k, 3)
        Mean of `core.color.compressed_color`.
    color_cov : ndarray, (k, 3, 3)
    presence : ndarray, (k,)
        Share of the worms that carry the name, in (0, 1).
    """

    names: tuple[str, ...]
    position: FloatArray
    position_cov: FloatArray
    color: FloatArray
    color_cov: FloatArray
    presence: FloatArray

    @classmethod
    def from_weights(cls, weights: Weights) -> StatisticalAtlas:
        """Take the atlas out of a weights file."""
        arrays = {name: array.astype(np.float64) for name, array in weights.tensors.items()}
        return cls(names=tuple(weights.about["names"]), **arrays)

    def arrays(self) -> dict[str, NDArray[np.float32]]:
        """Give the tensors of a weights file."""
        fields = ("position", "position_cov", "color", "color_cov", "presence")
        return {name: getattr(self, name).astype(np.float32) for name in fields}


def fit_atlas(worms: Sequence[NamedPoints], names: Sequence[str]) -> StatisticalAtlas:
    """Fit the Gaussians to worms that are already in the atlas frame.

    Parameters
    ----------
    worms : sequence of NamedPoints
        Aligned, with compressed colors.
    names : sequence of str
        Each stands in at least one worm.
    """
    places = [worm.zyx_um for worm in worms]
    colors = [color_of(worm) for worm in worms]
    position, position_cov = gaussians_by_name(places, worms, len(names))
    color, color_cov = gaussians_by_name(colors, worms, len(names))
    position_cov = position_cov + FLOOR_UM2 * np.eye(3)
    color_cov = color_cov + FLOOR_COLOR * np.eye(3)
    presence = presence_by_name(worms, len(names))
    return StatisticalAtlas(tuple(names), position, position_cov, color, color_cov, presence)


def fit_published(references: Sequence[PointCloud]) -> StatisticalAtlas:
    """Fit an atlas to references as they stand: positions in one frame already, raw colors.

    Parameters
    ----------
    references : sequence of PointCloud
        With names and colors.
    """
    names = common_names(references)
    worms = [
        replace(named_points(worm, names), zyx_um=worm.zyx_um, color=worm.color)
        for worm in references
    ]
    return fit_atlas(worms, names)


def atlas_of(worms: Sequence[PointCloud]) -> StatisticalAtlas:
    """Fit an atlas to labeled worms with colors.

    Parameters
    ----------
    worms : sequence of PointCloud
    """
    names = common_names(worms)
    points = [named_points(worm, names) for worm in worms]
    return fit_atlas(aligned_worms(points, anatomical_means(points, names)), names)


def aligned_worms(worms: Sequence[NamedPoints], means: FloatArray) -> list[NamedPoints]:
    """Bring labeled worms into the frame of their names' means; colors are compressed.

    Parameters
    ----------
    worms : sequence of NamedPoints
        With the anatomy's handedness.
    means : ndarray, (k, 3)
    """
    return [
        replace(
            worm,
            zyx_um=align_to_means(worm, means, ridge=ALIGN_RIDGE_UM2)(worm.zyx_um),
            color=None if worm.color is None else compressed_color(worm.color),
        )
        for worm in worms
    ]
