"""The labeler: the learned color model or the published rule."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final

import numpy as np

from trackbench.core.color import compressed_color, scaled_color
from trackbench.core.evidence import normalise_rows
from trackbench.core.gaussians import Gaussians
from trackbench.core.plugin import Config, Labeler
from trackbench.core.types import ANONYMOUS, Evidence
from trackbench.core.weights import Weights, load_weights
from trackbench.plugins.color.config import ColorConfig
from trackbench.plugins.color.divergence import negative_divergence

if TYPE_CHECKING:
    from collections.abc import Sequence

    from trackbench.core.geometry import FloatArray
    from trackbench.core.types import Case, Match, PointCloud

__all__ = ["ColorLabeler"]

SHIPPED: Final = Path(__file__).parent / "weights" / "color.safetensors"
KIND: Final = "color"
VERSION: Final = 1

NEVER: Final = -30.0
"""Log-probability of "none" in the published rule, which drops that column."""

COLOR_BOX: Final = 4.0**3
"""Volume of compressed colors that a neuron which is none of the names may have."""


class ColorLabeler(Labeler[ColorConfig]):
    """Names neurons by color alone.

    `learned` scales colors within the worm (gain and background drop out), compresses them and
    asks one Gaussian a name. `yu2021` is the rule of the fDNC paper; add it to a table of the
    same template with the published weight: ``transfer+color[preset=yu2021,weight=60]``.
    """

    name = "color"
    Config: ClassVar[type[Config]] = ColorConfig
    requires: ClassVar[frozenset[str]] = frozenset({"color"})
    uses_matches = False
    cite = "Yu et al. 2021, eLife 10: e66410"

    @property
    def trained_on(self) -> frozenset[str]:
        """Keys of the train worms; none for the published rule."""
        return frozenset() if self._is_published else self._weights().trained_on

    def supports(self, case: Case) -> str | None:
        """Ask for a template where the published rule compares with one."""
        return "needs a template" if self._is_published and not case.templates else None

    def fit(self, references: Sequence[PointCloud]) -> Any:
        """Load the color model, or keep the first reference for the published rule."""
        return references[0] if self._is_published else self._weights()

    def evidence(self, fitted: Any, test: PointCloud, matches: Sequence[Match]) -> Evidence:
        """Compare the colors of one worm with those of names, or of a template's neurons."""
        return _by_template(fitted, test) if self._is_published else self._by_name(fitted, test)

    @property
    def _is_published(self) -> bool:
        return self.config.preset == "yu2021"

    def _by_name(self, weights: Weights, test: PointCloud) -> Evidence:
        names = tuple(weights.about["names"])
        columns = len(names) + 1
        if test.color is None or not len(test):
            return Evidence(names, np.full((len(test), columns), -np.log(columns)))
        arrays = {name: array.astype(np.float64) for name, array in weights.tensors.items()}
        model = Gaussians.of(arrays["color"], arrays["color_cov"])
        density = model.log_density(compressed_color(scaled_color(test.color)))
        share = arrays["presence"] / arrays["presence"].sum() * (1.0 - self.config.none_share)
        none = np.full((len(test), 1), np.log(self.config.none_share / COLOR_BOX))
        return Evidence(names, normalise_rows(np.hstack([density + np.log(share), none])))

    def _weights(self) -> Weights:
        return _load(self.config.weights or SHIPPED)


def _by_template(template: PointCloud, test: PointCloud) -> Evidence:
    """Apply the published rule; unnamed template neurons stay anonymous candidates."""
    given = template.names or ("",) * len(template)
    names = tuple(name or f"{ANONYMOUS}{j}" for j, name in enumerate(given))
    if test.color is None or template.color is None:
        columns = len(names) + 1
        return Evidence(names, np.full((len(test), columns), -np.log(columns)))
    scores: FloatArray = negative_divergence(test.color, template.color)
    return Evidence(names, normalise_rows(np.hstack([scores, np.full((len(test), 1), NEVER)])))


@lru_cache(maxsize=4)
def _load(path: Path) -> Weights:
    return load_weights(path, kind=KIND, version=VERSION)
