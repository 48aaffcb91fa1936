"""The labeler: loads the shipped atlas, aligns worms to it, reads the posterior."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final

import numpy as np

from trackbench.core.alignment import align
from trackbench.core.atlas_scorer import Scorer
from trackbench.core.color import CHANNELS, compressed_color, scaled_color
from trackbench.core.evidence import normalise_rows
from trackbench.core.gaussians import Gaussians
from trackbench.core.plugin import Config, Labeler
from trackbench.core.statistical_atlas import StatisticalAtlas, fit_published
from trackbench.core.types import Evidence
from trackbench.core.weights import Weights, load_weights
from trackbench.plugins.atlas.config import AtlasConfig

if TYPE_CHECKING:
    from collections.abc import Sequence

    from trackbench.core.geometry import FloatArray
    from trackbench.core.types import Match, PointCloud

__all__ = ["AtlasLabeler"]

SHIPPED: Final = Path(__file__).parent / "weights" / "atlas.safetensors"
KIND: Final = "atlas"
VERSION: Final = 1
FEWEST_POINTS: Final = 4
"""Fewer neurons have no pose: nothing is said of them."""

HARDLY: Final = 20.0
"""How far "none" is below the best name in the published variant, which knows no such thing."""


class AtlasLabeler(Labeler[AtlasConfig]):
    """Names neurons by a statistical atlas.

    The variant `statatlas` is the published assignment as WormND used it: squared Mahalanobis
    distance of position and color, no determinant, no dustbin, no alignment. Its published
    figures had positions that were aligned with the true names (an oracle).
    """

    name = "atlas"
    Config: ClassVar[type[Config]] = AtlasConfig
    uses_matches = False
    cite = "Yemini et al. 2021, Cell 184: 272-288; Varol et al. 2020, MICCAI"

    @property
    def trained_on(self) -> frozenset[str]:
        """Keys of the train worms."""
        return self._weights().trained_on

    def fit(self, references: Sequence[PointCloud]) -> StatisticalAtlas:
        """Load the shipped atlas, or fit the published variant to the references."""
        if self.config.variant == "statatlas":
            return fit_published(references)
        return StatisticalAtlas.from_weights(self._weights())

    def evidence(self, fitted: Any, test: PointCloud, matches: Sequence[Match]) -> Evidence:
        """Align one worm and read the posterior of its neurons."""
        atlas: StatisticalAtlas = fitted
        if len(test) < FEWEST_POINTS:
            columns = len(atlas.names) + 1
            return Evidence(atlas.names, np.full((len(test), columns), -np.log(columns)))
        scores = self._published if self.config.variant == "statatlas" else self._posterior
        return Evidence(atlas.names, normalise_rows(scores(atlas, test)))

    def _posterior(self, atlas: StatisticalAtlas, test: PointCloud) -> FloatArray:
        color = None if test.color is None else compressed_color(scaled_color(test.color))
        found = align(atlas, test.zyx_um.astype(np.float64), color, test.mirrored, self.config)
        scorer = Scorer.of(atlas, self.config)
        return scorer.joint(found.zyx_um, scorer.color_scores(color, len(test)))

    def _published(self, atlas: StatisticalAtlas, test: PointCloud) -> FloatArray:
        distance = Gaussians.of(atlas.position, atlas.position_cov).mahalanobis(test.zyx_um)
        if test.color is not None:
            distance = distance + Gaussians.of(atlas.color, atlas.color_cov).mahalanobis(
                test.color[:, :CHANNELS]
            )
        scores = -0.5 * distance
        return np.hstack([scores, scores.max(axis=1, keepdims=True) - HARDLY])

    def _weights(self) -> Weights:
        return _load(self.config.weights or SHIPPED)


@lru_cache(maxsize=4)
def _load(path: Path) -> Weights:
    return load_weights(path, kind=KIND, version=VERSION)
