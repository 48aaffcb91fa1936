"""The labeler `crf`: an atlas names each neuron, neighbours correct each other."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Final

import numpy as np

from trackbench.core.alignment import align
from trackbench.core.atlas import common_names, named_points, procrustes_means
from trackbench.core.atlas_scorer import Scorer
from trackbench.core.color import CHANNELS, compressed_color, scaled_color
from trackbench.core.evidence import normalise_rows
from trackbench.core.geometry import principal_axes
from trackbench.core.plugin import Config, Labeler
from trackbench.core.statistical_atlas import StatisticalAtlas, aligned_worms, fit_atlas
from trackbench.core.types import Evidence
from trackbench.plugins.crf.config import CrfConfig
from trackbench.plugins.crf.propagation import neighbours, propagate
from trackbench.plugins.crf.relations import Relations, learn_relations

if TYPE_CHECKING:
    from collections.abc import Sequence

    from trackbench.core.geometry import FloatArray
    from trackbench.core.types import Case, Match, PointCloud

__all__ = ["CrfLabeler"]

FEWEST_POINTS: Final = 4
"""Fewer neurons have no pose: nothing is said of them."""

FEWEST_WORMS: Final = 3
"""Fewer worms say nothing of how neurons vary."""


@dataclass(frozen=True, eq=False)
class RandomField:
    """What is learned from the references.

    Parameters
    ----------
    atlas : StatisticalAtlas
    relations : Relations
    colored : bool
        Whether the references have colors.
    """

    atlas: StatisticalAtlas
    relations: Relations
    colored: bool


class CrfLabeler(Labeler[CrfConfig]):
    """Names neurons by their place, their color and their neighbours.

    The idea of Chaudhary et al. 2021: a graph of neurons, evidence for each from an atlas, and
    for each pair of neighbours from how their names lie to each other in labeled worms. Pose is
    found by aligning to the atlas without names; loopy belief propagation finds the names. All
    is learned from the references: several worms with the anatomy's names.
    """

    name = "crf"
    Config: ClassVar[type[Config]] = CrfConfig
    requires: ClassVar[frozenset[str]] = frozenset({"labels"})
    uses_matches = False
    cite = "Chaudhary et al. 2021, eLife 10: e60321"

    def supports(self, case: Case) -> str | None:
        """Ask for several worms that share names."""
        if len(case.templates) < FEWEST_WORMS:
            return f"needs {FEWEST_WORMS} or more named worms"
        if len(common_names(case.templates)) < FEWEST_POINTS:
            return f"the named worms share fewer than {FEWEST_POINTS} names"
        return None

    def fit(self, references: Sequence[PointCloud]) -> RandomField:
        """Learn the atlas and the displacements of all pairs of names."""
        names = common_names(references)
        points = [named_points(worm, names) for worm in references]
        means = procrustes_means(points, len(names))
        worms = aligned_worms(points, means @ principal_axes(means).T)
        colored = all(worm.color is not None for worm in worms)
        if not colored:
            worms = [replace(w, color=np.zeros((len(w.zyx_um), CHANNELS))) for w in worms]
        atlas = fit_atlas(worms, names)
        return RandomField(atlas, learn_relations(worms, atlas), colored)

    def evidence(self, fitted: Any, test: PointCloud, matches: Sequence[Match]) -> Evidence:
        """Align one worm, then let neighbours correct each other."""
        field: RandomField = fitted
        names = field.atlas.names
        if len(test) < FEWEST_POINTS:
            flat = np.full((len(test), len(names) + 1), -np.log(len(names) + 1.0))
            return Evidence(names, flat)
        color = None
        if test.color is not None and field.colored:
            color = compressed_color(scaled_color(test.color))
        place = align(
            field.atlas, test.zyx_um.astype(np.float64), color, test.mirrored, self.config
        )
        scorer = Scorer.of(field.atlas, self.config)
        unary = scorer.joint(place.zyx_um, scorer.color_scores(color, len(test)))
        return Evidence(names, self._believe(field.relations, place.zyx_um, normalise_rows(unary)))

    def _believe(self, relations: Relations, zyx_um: FloatArray, unary: FloatArray) -> FloatArray:
        """Replace the evidence of each neuron's best candidates by what the graph believes."""
        config = self.config
        best = np.argsort(-unary[:, :-1], axis=1, kind="stable")[:, : config.candidates]
        graph = neighbours(zyx_um, config.neighbours)
        shift = zyx_um[graph.target] - zyx_um[graph.source]
        gain = relations.gain(shift, best[graph.source], best[graph.target])
        # One more candidate, none of the names, about which neighbours say nothing.
        pairwise = np.pad(config.coupling * gain, ((0, 0), (0, 1), (0, 1)))
        rows = np.arange(len(unary))[:, None]
        chosen = np.hstack([best, np.full((len(unary), 1), unary.shape[1] - 1)])
        own = unary[rows, chosen]
        belief = unary.copy()
        mass = np.logaddexp.reduce(own, axis=1, keepdims=True)
        belief[rows, chosen] = propagate(own, pairwise, graph, config.steps) + mass
        return normalise_rows(belief)
