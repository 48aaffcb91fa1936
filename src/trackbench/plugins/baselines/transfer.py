"""The plainest labeler: a neuron gets the name of its partner in one template."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from trackbench.core.plugin import Labeler, LabelerConfig
from trackbench.core.types import ANONYMOUS, Evidence, Match, PointCloud

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["TransferLabeler"]


class TransferLabeler(Labeler[LabelerConfig]):
    """Reads the match to the first template as a table over that template's names.

    Unnamed template neurons stay in the table as anonymous candidates: they take part in the
    assignment and give no name.
    """

    name = "transfer"

    def fit(self, references: Sequence[PointCloud]) -> tuple[str, ...]:
        """Keep the names of the first reference."""
        names = references[0].names or ("",) * len(references[0])
        return tuple(name or f"{ANONYMOUS}{j}" for j, name in enumerate(names))

    def evidence(self, fitted: Any, test: PointCloud, matches: Sequence[Match]) -> Evidence:
        """Give the first match its template's names."""
        return Evidence(fitted, matches[0].log_p)
