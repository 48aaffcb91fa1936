"""Scores one case from its prediction."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from trackbench.benchmarks.record import Prediction

__all__ = ["COVERAGES", "ECE_BINS", "CaseScores", "ece_bins", "score_case"]

ECE_BINS: Final = 10
COVERAGES: Final = (50, 80, 90, 100)
LOWEST_LOG_P: Final = float(np.log(1e-6))
"""A matcher that gives hard pairs can't say less than 1e-6; nor shall any other be charged more."""


@dataclass(frozen=True)
class CaseScores:
    """The scores of one case.

    Parameters
    ----------
    values : dict of str to (float or None)
        Metrics that are means over neurons; None where the case has no such neuron.
    ece_bins : (3, 10) array of float64
        Count, sum of probabilities and number right of the names given, by bin of probability.
    n_scored : int
        Neurons of the headline metric.
    """

    values: dict[str, float | None]
    ece_bins: NDArray[np.float64]
    n_scored: int


@dataclass(frozen=True)
class _Right:
    """Boolean arrays over the neurons of a prediction."""

    prediction: Prediction

    @cached_property
    def named(self) -> NDArray[np.bool_]:
        return np.array([name != "" for name in self.prediction.truth], dtype=bool)

    @cached_property
    def in_both(self) -> NDArray[np.bool_]:
        pairs = zip(self.prediction.truth, self.prediction.in_template, strict=True)
        return np.array([name != "" and known for name, known in pairs], dtype=bool)

    @cached_property
    def assigned(self) -> NDArray[np.bool_]:
        return _equal(self.prediction.name, self.prediction.truth)

    @cached_property
    def argmax(self) -> NDArray[np.bool_]:
        return _equal(self.prediction.argmax, self.prediction.truth)

    def among(self, k: int) -> NDArray[np.bool_]:
        pairs = zip(self.prediction.truth, self.prediction.top, strict=True)
        return np.array([name in top[:k] for name, top in pairs], dtype=bool)


def score_case(prediction: Prediction, headline: str) -> CaseScores:
    """Score a case.

    Parameters
    ----------
    prediction : Prediction
    headline : str
        `m_pair` or `m_test`: says which neurons `top3` and the others are taken over.
    """
    right = _Right(prediction)
    scope = right.in_both if headline.startswith("m_pair") else right.named
    probability = np.array(prediction.probability, dtype=np.float64)
    everyone = np.ones(len(right.named), dtype=bool)
    values = {
        "m_pair": _share(right.assigned, right.in_both),
        "m_pair_argmax": _share(right.argmax, right.in_both),
        "m_test": _share(right.assigned, right.named),
        "m_test_argmax": _share(right.argmax, right.named),
        "top3": _share(right.among(3), scope),
        "top5": _share(right.among(5), scope),
        "m_all": _share(right.assigned, everyone),
        "nll": _nll(prediction, scope),
        **_coverage(right.assigned[scope], probability[scope]),
    }
    bins = ece_bins(right.assigned[scope], probability[scope])
    return CaseScores(values, bins, int(scope.sum()))


def _equal(given: Sequence[str], true: Sequence[str]) -> NDArray[np.bool_]:
    return np.array([a == b for a, b in zip(given, true, strict=True)], dtype=bool)


def _share(right: NDArray[np.bool_], scope: NDArray[np.bool_]) -> float | None:
    return float(right[scope].mean()) if scope.any() else None


def _nll(prediction: Prediction, scope: NDArray[np.bool_]) -> float | None:
    pairs = zip(prediction.log_p_true, scope, strict=True)
    known = [max(log_p, LOWEST_LOG_P) for log_p, counts in pairs if counts and log_p is not None]
    return -float(np.mean(known)) if known else None


def _coverage(
    right: NDArray[np.bool_], probability: NDArray[np.float64]
) -> dict[str, float | None]:
    order = np.argsort(-probability, kind="stable")
    kept = {percent: -(-len(order) * percent // 100) for percent in COVERAGES}
    return {
        f"coverage{percent}": float(right[order[:n]].mean()) if n else None
        for percent, n in kept.items()
    }


def ece_bins(right: NDArray[np.bool_], probability: NDArray[np.float64]) -> NDArray[np.float64]:
    """Sum up the names given, those with a probability above 0, by bin of probability.

    Parameters
    ----------
    right : (n,) array of bool
    probability : (n,) array of float64
        0 where no name was given.

    Returns
    -------
    (3, 10) array of float64
        Count, sum of probabilities and number right.
    """
    given = probability > 0
    index = np.minimum((probability[given] * ECE_BINS).astype(int), ECE_BINS - 1)
    weights = (None, probability[given], right[given].astype(float))
    return np.stack(
        [np.bincount(index, weights=w, minlength=ECE_BINS).astype(float) for w in weights]
    )
