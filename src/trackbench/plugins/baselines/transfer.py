"""The plainest labeler: a neuron gets the name of its partner in one template."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from trackbench.core.plugin import Labeler, LabelerConfig
from trackbench.core.types import ANONYMOUS, Evidence, Match, PointCloud

if TYPE_CHECKING:
    from collections.abc import Sequence

    from trackbench.core.plugin import Config

__all__ = ["TransferConfig", "TransferLabeler"]


class TransferConfig(LabelerConfig):
    """Parameters of `transfer`."""

    prefer_named: float = Field(
        default=3.0,
        ge=0,
        le=50,
        description="log-odds by which a named template neuron is preferred to an unnamed one",
    )


class TransferLabeler(Labeler[TransferConfig]):
    """Reads the match to the first template as a table over that template's names.

    Unnamed template neurons stay in the table as anonymous candidates: they take part in the
    assignment and give no name. A named neuron is preferred to them, see
    `core.evidence.prefer_named`; how much was chosen on validation worms.
    """

    name = "transfer"
    Config: ClassVar[type[Config]] = TransferConfig

    def fit(self, references: Sequence[PointCloud]) -> tuple[str, ...]:
        """Keep the names of the first reference."""
        names = references[0].names or ("",) * len(references[0])
        return tuple(name or f"{ANONYMOUS}{j}" for j, name in enumerate(names))

    def evidence(self, fitted: Any, test: PointCloud, matches: Sequence[Match]) -> Evidence:
        """Give the first match its template's names."""
        return Evidence.of_match(fitted, matches[0], self.config.prefer_named)
