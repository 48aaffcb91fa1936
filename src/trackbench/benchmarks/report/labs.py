"""Results lab by lab, with intervals over the animals of each lab."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from trackbench.benchmarks.metrics.intervals import CONFIDENCE, resampled_counts

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from trackbench.benchmarks.report.rows import Cases

__all__ = ["Lab", "by_lab"]


@dataclass(frozen=True)
class Lab:
    """The cases of one lab under one method.

    Parameters
    ----------
    mean, low, high : float
        Mean over cases and its 95 % bootstrap interval over animals, or over cases where the
        lab has one animal alone.
    n_cases, n_animals : int
    """

    mean: float
    low: float
    high: float
    n_cases: int
    n_animals: int


def by_lab(cases: Cases) -> dict[str, Lab]:
    """Summarise the cases of each lab or group, in alphabetical order; "" is none."""
    found = sorted(set(cases.groups) - {""})
    return {
        str(lab): _summarised(cases.values[own], cases.animals[own])
        for lab in found
        if (own := cases.groups == lab).any()
    }


def _summarised(values: NDArray[np.float64], animals: NDArray[np.object_]) -> Lab:
    names, index = np.unique(animals.astype(str), return_inverse=True)
    units = index if len(names) > 1 else np.arange(len(values))
    n_units = int(units.max()) + 1
    sums = np.stack([np.bincount(units, values, n_units), np.bincount(units, minlength=n_units)])
    drawn = np.concatenate([counts @ sums.T for counts in resampled_counts(n_units)])
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(drawn[:, 0] / drawn[:, 1], [tail, 1 - tail])
    return Lab(float(values.mean()), float(low), float(high), len(values), len(names))
