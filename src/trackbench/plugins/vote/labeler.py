"""The labeler `vote`: every template says who is who, the names collect the votes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from trackbench.core.evidence import normalise_rows
from trackbench.core.plugin import Labeler, LabelerConfig
from trackbench.core.types import Evidence
from trackbench.errors import ContractError
from trackbench.plugins.vote.ballot import Ballot, make_ballot
from trackbench.plugins.vote.pooling import (
    choose_templates,
    confidence,
    hard_votes,
    pool_mean,
    pool_product,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from trackbench.core.plugin import Config
    from trackbench.core.types import Match, PointCloud

__all__ = ["VoteConfig", "VoteLabeler"]


class VoteConfig(LabelerConfig):
    """Parameters of `vote`."""

    pool: Literal["mean", "product", "onehot"] = Field(
        default="mean",
        description="mean of probabilities, product of them (a mean of logarithms), or one hard "
        "vote a template",
    )
    max_templates: int | None = Field(
        default=None,
        ge=1,
        description="let only the templates vote whose match is surest (None = all)",
    )
    focus: float = Field(
        default=1.0,
        ge=0,
        le=100,
        description="how much more a surer match counts: weights are exp(focus * mean log p)",
    )
    prefer_named: float = Field(
        default=3.0,
        ge=0,
        le=50,
        description="log-odds by which names are preferred to unnamed neurons and to none",
    )


class VoteLabeler(Labeler[VoteConfig]):
    """Counts the votes of all templates for each name.

    One match per template, any matcher. The probabilities of a name are averaged over the
    templates (or multiplied, or counted as hard votes), unnamed template neurons count for
    "none of these", and one assignment follows. Templates are chosen and weighted by how sure
    their match is, never by names; one without any name has nothing to say.
    """

    name = "vote"
    Config: ClassVar[type[Config]] = VoteConfig
    cite = "Nguyen et al. 2017, PLoS Comput. Biol. 13(5): e1005517"

    def fit(self, references: Sequence[PointCloud]) -> Ballot:
        """Lay out the names of all references."""
        return make_ballot(references)

    def evidence(self, fitted: Any, test: PointCloud, matches: Sequence[Match]) -> Evidence:
        """Count the votes of all matches at once."""
        ballot: Ballot = fitted
        if [match.n_template + 1 for match in matches] != np.diff(ballot.starts).tolist():
            raise ContractError("vote: the matches don't fit the references", "one each, in order")
        if not len(test):
            return Evidence(ballot.names, np.zeros((0, len(ballot.names) + 1), dtype=np.float32))
        log_p = np.concatenate([match.log_p for match in matches], axis=1).astype(np.float64)
        sure = confidence(log_p, ballot)
        sure = np.where(ballot.has_names, sure, -np.inf)
        weights = choose_templates(sure, self.config.max_templates, self.config.focus)
        if self.config.pool == "product":
            table = pool_product(log_p, ballot, weights)
        else:
            votes = hard_votes(log_p, ballot) if self.config.pool == "onehot" else np.exp(log_p)
            table = pool_mean(votes, ballot, weights)
        return Evidence(ballot.names, normalise_rows(table), self.config.prefer_named)
