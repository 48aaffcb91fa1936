"""What is scored: every metric by name, with its meaning and its caveats."""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

from trackbench.benchmarks.metrics.detection import DETECTION_METRICS

__all__ = ["HIGHER_IS_BETTER", "METRICS"]

METRICS: Final = MappingProxyType(
    {
        "m_pair": "share matched correctly of the neurons named in both template and test",
        "m_pair_argmax": "the same by the best column of each row, without an assignment",
        "m_test": "share named correctly of the neurons named in the test",
        "m_test_argmax": "the same by the best column of each row, without an assignment",
        "top3": "true name among the 3 best of the row, over the headline's neurons",
        "top5": "true name among the 5 best of the row, over the headline's neurons",
        "m_all": "over all test neurons, blank counted as a class; compare with nothing else",
        "nll": "mean negative log-probability (nat) of the true name where it is a candidate",
        "ece": "expected calibration error of the names given, ten bins of equal width",
        "coverage50": "accuracy of the most confident 50 % of the headline's neurons",
        "coverage80": "accuracy of the most confident 80 % of the headline's neurons",
        "coverage90": "accuracy of the most confident 90 % of the headline's neurons",
        "coverage100": "accuracy of all of the headline's neurons",
        **DETECTION_METRICS,
    }
)
"""Name and meaning. `top3` to `coverage100` are taken over the neurons of the protocol's
headline: named in both (`m_pair`), or named in the test (`m_test`). Those of detection exist
where a segmenter found the points."""

HIGHER_IS_BETTER: Final = frozenset(METRICS) - {
    "nll",
    "ece",
    "splits",
    "merges",
    "localisation_um",
}
