"""Names neurons by what their segmenter already knows of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from trackbench.core.plugin import Labeler, LabelerConfig

if TYPE_CHECKING:
    from collections.abc import Sequence

    from trackbench.core.types import Case, Evidence, Match, PointCloud

__all__ = ["KnownLabeler"]


class KnownLabeler(Labeler[LabelerConfig]):
    """The evidence of an identity-aware segmenter, as it is: no matcher, no template."""

    name = "known"
    uses_matches = False
    cite = "Park et al. 2023, Nature Methods, doi 10.1038/s41592-023-02096-3"

    def supports(self, case: Case) -> str | None:
        """Say that there must be a segmenter that knows identities."""
        known = case.test.evidence is not None
        return None if known else "needs a segmenter that knows identities, such as tacnn"

    def evidence(self, fitted: Any, test: PointCloud, matches: Sequence[Match]) -> Evidence:
        """Give the segmenter's table."""
        import numpy as np

        from trackbench.core.types import Evidence

        if test.evidence is not None:
            return test.evidence
        return Evidence((), np.zeros((len(test), 1)))
