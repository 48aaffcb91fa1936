"""Matchers that bound all others: the truth, chance, and the nearest neighbour."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import numpy as np
from pydantic import Field

from trackbench.core.plugin import Config, PairwiseMatcher
from trackbench.core.types import Match, PointCloud

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["NearestMatcher", "RandomMatcher", "TruthMatcher"]


class TruthMatcher(PairwiseMatcher[Config]):
    """The ceiling: matches by the true names. An oracle; its rows are marked as such."""

    name = "truth"
    requires: ClassVar[frozenset[str]] = frozenset({"truth"})

    def match_pair(self, template: PointCloud, test: PointCloud) -> Match:
        """Pair neurons of one name."""
        column = {name: j for j, name in enumerate(template.names or ()) if name}
        pairs = [(i, column[name]) for i, name in enumerate(test.names or ()) if name in column]
        return Match.from_pairs(pairs, len(test), len(template), template.id, test.id)


class RandomMatcher(PairwiseMatcher[Config]):
    """The floor: a random one-to-one match."""

    name = "random"
    expected_failures: ClassVar[Mapping[str, str]] = {
        "permutation": "the draw depends on the order of the rows",
        "translation": "the draw depends on the positions",
        "rotation": "the draw depends on the positions",
        "beats_random": "it is random",
    }

    def match_pair(self, template: PointCloud, test: PointCloud) -> Match:
        """Pair neurons at random; the draw depends on the content of both clouds."""
        columns = self.rng(template.zyx_um, test.zyx_um).permutation(max(len(template), len(test)))
        pairs = [(i, int(j)) for i, j in enumerate(columns[: len(test)]) if j < len(template)]
        return Match.from_pairs(pairs, len(test), len(template), template.id, test.id)


class NearestConfig(Config):
    """Parameters of `nearest`."""

    sigma_um: float = Field(
        default=4.0, gt=0, le=100, description="width of the distance kernel in µm"
    )


class NearestMatcher(PairwiseMatcher[NearestConfig]):
    """The speed control: a Gaussian of the distance after moving both medians to the origin."""

    name = "nearest"
    Config = NearestConfig
    expected_failures: ClassVar[Mapping[str, str]] = {
        "rotation": "it compares positions as they are: the control for what registration adds"
    }

    def match_pair(self, template: PointCloud, test: PointCloud) -> Match:
        """Score each pair by its squared distance; 'none' stands at three standard deviations."""
        if not len(template) or not len(test):
            return Match.from_pairs((), len(test), len(template), template.id, test.id)
        a = test.zyx_um - np.median(test.zyx_um, axis=0)
        b = template.zyx_um - np.median(template.zyx_um, axis=0)
        squared = (a**2).sum(1)[:, None] + (b**2).sum(1)[None] - 2 * a @ b.T
        scores = np.full((len(a), len(b) + 1), -4.5)
        scores[:, :-1] = -squared / (2 * self.config.sigma_um**2)
        return Match.from_scores(scores, template.id, test.id)
