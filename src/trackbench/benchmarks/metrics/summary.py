"""Means over cases with intervals over animals."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from trackbench.benchmarks.metrics import METRICS
from trackbench.benchmarks.metrics.intervals import CONFIDENCE, resampled_counts

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from trackbench.benchmarks.metrics.case import CaseScores

__all__ = ["Estimate", "summarise"]


@dataclass(frozen=True)
class Estimate:
    """One number with its interval.

    Parameters
    ----------
    metric : str
    mean : float
        Over cases; of `ece` over all names given.
    low, high : float
        95 % bootstrap interval over units.
    n_cases : int
        Cases that have a value.
    """

    metric: str
    mean: float
    low: float
    high: float
    n_cases: int


def summarise(scores: Sequence[CaseScores], units: Sequence[str]) -> list[Estimate]:
    """Summarise the cases of one combination and protocol.

    Parameters
    ----------
    scores : sequence of CaseScores
    units : sequence of str
        What is drawn with replacement: the animal of each case, or, where there is one animal
        alone, the case itself.

    Returns
    -------
    list of Estimate
        Metrics that no case has a value of are left out.
    """
    if not scores:
        return []
    names = sorted(set(units))
    row = {name: i for i, name in enumerate(names)}
    index = np.array([row[unit] for unit in units])
    totals = [_totals(metric, scores, index, len(names)) for metric in METRICS]
    known = [item for item in totals if item.n_cases]
    drawn: list[list[NDArray[np.float64]]] = [[] for _ in known]
    for counts in resampled_counts(len(names)):
        for item, values in zip(known, drawn, strict=True):
            values.append(item.ratio(counts @ item.sums))
    return [
        _estimate(item, np.concatenate(values)) for item, values in zip(known, drawn, strict=True)
    ]


@dataclass(frozen=True)
class _Totals:
    """Per-unit sums (n_units, k) of one metric, and how sums become the metric."""

    metric: str
    sums: NDArray[np.float64]
    ratio: Callable[[NDArray[np.float64]], NDArray[np.float64]]
    n_cases: int


def _totals(
    metric: str, scores: Sequence[CaseScores], index: NDArray[np.intp], n_units: int
) -> _Totals:
    if metric == "ece":
        per_case = np.stack([item.ece_bins.ravel() for item in scores])
        n = int((per_case[:, : per_case.shape[1] // 3].sum(axis=1) > 0).sum())
        ratio = _ece
    else:
        values = [item.values.get(metric) for item in scores]
        per_case = np.array([(0.0, 0.0) if v is None else (v, 1.0) for v in values])
        n = sum(value is not None for value in values)
        ratio = _mean
    sums = np.zeros((n_units, per_case.shape[1]))
    np.add.at(sums, index, per_case)
    return _Totals(metric, sums, ratio, n)


def _mean(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio: NDArray[np.float64] = sums[..., 0] / sums[..., 1]
    return ratio


def _ece(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    count, confidence, right = np.split(sums, 3, axis=-1)
    with np.errstate(invalid="ignore", divide="ignore"):
        gap: NDArray[np.float64] = np.abs(confidence - right).sum(axis=-1) / count.sum(axis=-1)
    return gap


def _estimate(totals: _Totals, drawn: NDArray[np.float64]) -> Estimate:
    mean = float(totals.ratio(totals.sums.sum(axis=0)))
    tail = (1 - CONFIDENCE) / 2
    low, high = np.nanquantile(drawn, [tail, 1 - tail])
    return Estimate(totals.metric, mean, float(low), float(high), totals.n_cases)
