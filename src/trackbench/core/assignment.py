"""The only place where a table of probabilities becomes a one-to-one assignment.

The rows of a table are posteriors of one test neuron each: nothing in them says that two test
neurons can't be one template neuron. So `assign` first lets the rows know of each other, then
takes the one-to-one matching with the largest expected number of right pairs. On real worms
this names more neurons correctly than the matching of largest likelihood (the sum of the
logarithms), in which a row that fits nowhere costs as much as many that fit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
from scipy.optimize import linear_sum_assignment

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["assign", "pair_marginals", "row_argmax"]

LARGEST_LOG_ODDS: Final = 25.0
"""Odds of a pair against 'none' are cut off here, far beyond any calibrated certainty."""

ROUNDS: Final = 5
"""Rounds of message passing; more change no assignment worth counting."""

LEAST: Final = 0.05
"""A pair less probable than this is not made, even where nothing else wants its column."""


def assign(log_p: NDArray[Any]) -> NDArray[np.intp]:
    """Assign rows to columns one to one, each row free to stay alone.

    Maximises the sum of `pair_marginals` over the pairs made, that is, the expected number of
    right pairs. 'None' has no price beyond its part in the marginals: a neuron that is left
    alone is never right.

    Parameters
    ----------
    log_p : (m, k + 1) array
        Natural log-probabilities, last column = none.

    Returns
    -------
    (m,) array of int
        The column of each row, -1 for none.
    """
    marginals = pair_marginals(log_p)
    column = np.full(len(marginals), -1, dtype=np.intp)
    if marginals.size:
        rows, columns = linear_sum_assignment(marginals, maximize=True)
        kept = marginals[rows, columns] > LEAST
        column[rows[kept]] = columns[kept]
    return column


def pair_marginals(log_p: NDArray[Any]) -> NDArray[np.float64]:
    """Give the probability of each pair, knowing that rows and columns pair off one to one.

    Belief propagation on the bipartite graph, each side free to stay alone (Williams and Lau,
    IEEE Trans. Aerosp. Electron. Syst. 50:2942, 2014). The odds of a pair
    against 'none' are those of its row; a column without partner has weight 1.

    Parameters
    ----------
    log_p : (m, k + 1) array
        Natural log-probabilities, last column = none.

    Returns
    -------
    (m, k) array of float64
        Rows sum to at most 1; so do columns where the messages have settled.
    """
    table = np.asarray(log_p, dtype=np.float64)
    lowest = np.maximum(table, np.finfo(np.float32).min)
    log_odds = lowest[:, :-1] - lowest[:, -1:]
    odds = np.exp(np.clip(log_odds, -LARGEST_LOG_ODDS, LARGEST_LOG_ODDS))
    heard = np.ones_like(odds)
    for _ in range(ROUNDS):
        weighed = odds * heard
        told = odds / (1.0 + weighed.sum(axis=1, keepdims=True) - weighed)
        heard = 1.0 / (1.0 + told.sum(axis=0, keepdims=True) - told)
    weighed = odds * heard
    marginals: NDArray[np.float64] = weighed / (1.0 + weighed.sum(axis=1, keepdims=True))
    return marginals


def row_argmax(log_p: NDArray[Any]) -> NDArray[np.intp]:
    """Give each row its best column by itself, -1 where that is 'none'.

    Two rows may take one column: this is what an assignment is measured against.

    Parameters
    ----------
    log_p : (m, k + 1) array
        Natural log-probabilities, last column = none.
    """
    best = np.asarray(log_p).argmax(axis=1)
    return np.where(best == np.asarray(log_p).shape[1] - 1, -1, best).astype(np.intp)
