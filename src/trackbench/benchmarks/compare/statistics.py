"""Tests on paired differences, and the correction for asking several questions at once."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from trackbench.core.seeds import generator

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["holm", "least_units", "permutation_p", "wilcoxon_p"]

EXACT_UNITS: Final = 14
"""Up to here all 2^n sign patterns are tried."""
DRAWS: Final = 20_000
BLOCK: Final = 1_000_000
"""Signs that are held in memory at once."""
TIES: Final = 1e-12


def permutation_p(differences: NDArray[Any]) -> float:
    """Test whether paired differences have a mean below zero, by flipping their signs.

    Exact for up to 14 units, else 20,000 seeded draws with the observed pattern counted in
    (Phipson and Smyth 2010), so that p is never 0.

    Parameters
    ----------
    differences : (n,) array
        Head minus base, one a unit.

    Returns
    -------
    float
        One-sided p: the share of sign patterns with a mean at most the observed one.
    """
    values = np.asarray(differences, dtype=np.float64)
    if not len(values) or not np.any(values):
        return 1.0
    if len(values) <= EXACT_UNITS:
        signs = np.array(list(itertools.product((1.0, -1.0), repeat=len(values))))
        return float(np.mean(signs @ np.abs(values) <= values.sum() + TIES))
    rng = generator("permutation test", values)
    rows = max(1, BLOCK // len(values))
    hits = 0
    for start in range(0, DRAWS, rows):
        signs = rng.choice((1.0, -1.0), size=(min(rows, DRAWS - start), len(values)))
        hits += int(np.sum(signs @ np.abs(values) <= values.sum() + TIES))
    return (hits + 1) / (DRAWS + 1)


def wilcoxon_p(differences: NDArray[Any]) -> float:
    """Wilcoxon's signed-rank test, one-sided for a decrease, as in the fDNC paper."""
    from scipy.stats import wilcoxon

    values = np.asarray(differences, dtype=np.float64)
    if not np.any(values):
        return 1.0
    return float(wilcoxon(values, alternative="less").pvalue)


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjust p-values for their number (Holm 1979): the smallest times n, the next times n-1..."""
    order = np.argsort(p_values)
    adjusted = np.empty(len(p_values))
    running = 0.0
    for rank, i in enumerate(order):
        running = max(running, min(1.0, (len(p_values) - rank) * p_values[i]))
        adjusted[i] = running
    return [float(p) for p in adjusted]


def least_units(alpha: float, questions: int) -> int:
    """Give the number of units below which no difference, however large, can reach `alpha`."""
    return int(np.ceil(np.log2(max(questions, 1) / alpha)))
