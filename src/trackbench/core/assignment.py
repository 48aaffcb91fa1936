"""The only place where a table of probabilities becomes a one-to-one assignment.

The rows of a table are posteriors of one test neuron each: nothing in them says that two test
neurons can't be one template neuron. So `assign` first lets the rows know of each other, then
takes the one-to-one matching with the largest expected number of right pairs. On real worms
this names more neurons correctly than the matching of largest likelihood (the sum of the
logarithms), in which a row that fits nowhere costs as much as many that fit.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

__all__ = ["assign", "pair_marginals", "row_argmax"]

LARGEST_LOG_ODDS: Final = 25.0
"""Odds of a pair against 'none' are cut off here, far beyond any calibrated certainty."""

ROUNDS: Final = 5
"""Rounds of message passing; more change no assignment worth counting."""

LEAST: Final = 0.05
"""A pair less probable than this is not made, even where nothing else wants its column."""

FEW: Final = 0.2
"""Share of pairs with odds above the inverse of the largest, up to which the others are left out:
of a sure matcher it is a few in a hundred."""

Sums = Callable[[NDArray[np.float64]], NDArray[np.float64]]


@dataclass(frozen=True, eq=False)
class _Pairs:
    """Some pairs of a table of a shape: their rows, columns and values (p,)."""

    rows: NDArray[np.intp]
    columns: NDArray[np.intp]
    values: NDArray[np.float64]
    shape: tuple[int, int]

    def row_sums(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Sum over each pair's row, (p,)."""
        sums = np.bincount(self.rows, weights=values, minlength=self.shape[0])
        return np.asarray(sums, dtype=np.float64)[self.rows]

    def column_sums(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Sum over each pair's column, (p,)."""
        sums = np.bincount(self.columns, weights=values, minlength=self.shape[1])
        return np.asarray(sums, dtype=np.float64)[self.columns]

    def take(self, kept: NDArray[np.bool_]) -> _Pairs:
        """Keep some pairs."""
        return _Pairs(self.rows[kept], self.columns[kept], self.values[kept], self.shape)


def assign(log_p: NDArray[Any]) -> NDArray[np.intp]:
    """Assign rows to columns one to one, each row free to stay alone.

    Maximises the sum of `pair_marginals` over the pairs made, that is, the expected number of
    right pairs. 'None' has no price beyond its part in the marginals: a neuron that is left
    alone is never right.

    Parameters
    ----------
    log_p : (m, k + 1) array
        Natural log-probabilities, last column = none. Rows need not be normalised.

    Returns
    -------
    (m,) array of int
        The column of each row, -1 for none.
    """
    log_odds = _log_odds(log_p)
    column = np.full(len(log_odds), -1, dtype=np.intp)
    flat = np.flatnonzero(log_odds > -LARGEST_LOG_ODDS)
    if len(flat) > FEW * log_odds.size:
        rows, columns = _best(pair_marginals(log_p))
    else:
        rows, columns = _best_of_few(_marginals_of_few(log_odds, flat))
    column[rows] = columns
    return column


def _best(marginals: NDArray[np.float64]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    rows, columns = linear_sum_assignment(marginals, maximize=True)
    kept = marginals[rows, columns] > LEAST
    return rows[kept], columns[kept]


def _best_of_few(pairs: _Pairs) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Take the pairs that every best matching has, and solve what remains.

    To leave out a pair frees its row and its column for one other pair each. Where it is worth
    more than all others of both together, no matching without it can be the best.
    """
    value = pairs.values
    others = pairs.row_sums(value) + pairs.column_sums(value) - 2 * value
    sure = pairs.take((value > others) & (value > LEAST))
    free_row, free_column = np.ones(pairs.shape[0], np.bool_), np.ones(pairs.shape[1], np.bool_)
    free_row[sure.rows] = free_column[sure.columns] = False
    left = pairs.take(free_row[pairs.rows] & free_column[pairs.columns])
    table = np.zeros((np.count_nonzero(free_row), np.count_nonzero(free_column)))
    place = np.cumsum(free_row)[left.rows] - 1, np.cumsum(free_column)[left.columns] - 1
    table[place] = left.values
    rows, columns = _best(table)
    return (
        np.concatenate([sure.rows, np.flatnonzero(free_row)[rows]]),
        np.concatenate([sure.columns, np.flatnonzero(free_column)[columns]]),
    )


def pair_marginals(log_p: NDArray[Any]) -> NDArray[np.float64]:
    """Give the probability of each pair, knowing that rows and columns pair off one to one.

    Belief propagation on the bipartite graph, each side free to stay alone (Williams and Lau,
    IEEE Trans. Aerosp. Electron. Syst. 50:2942, 2014). The odds of a pair
    against 'none' are those of its row; a column without partner has weight 1.

    Parameters
    ----------
    log_p : (m, k + 1) array
        Natural log-probabilities, last column = none. Rows need not be normalised.

    Returns
    -------
    (m, k) array of float64
        Rows sum to at most 1; so do columns where the messages have settled.
    """
    return _settled(
        _odds(_log_odds(log_p)),
        lambda values: values.sum(axis=1, keepdims=True),
        lambda values: values.sum(axis=0, keepdims=True),
    )


def _marginals_of_few(log_odds: NDArray[Any], flat: NDArray[np.intp]) -> _Pairs:
    """Do as `pair_marginals`, for the pairs at these places of the flattened table alone."""
    rows, columns = np.divmod(flat, max(1, log_odds.shape[1]))
    pairs = _Pairs(rows, columns, _odds(log_odds.ravel()[flat]), log_odds.shape)
    return replace(pairs, values=_settled(pairs.values, pairs.row_sums, pairs.column_sums))


def _settled(odds: NDArray[np.float64], row_sums: Sums, column_sums: Sums) -> NDArray[np.float64]:
    """Pass messages between rows and columns; give the marginals of the pairs."""
    heard = np.ones_like(odds)
    for _ in range(ROUNDS):
        weighed = odds * heard
        told = odds / (1.0 + row_sums(weighed) - weighed)
        heard = 1.0 / (1.0 + column_sums(told) - told)
    weighed = odds * heard
    return weighed / (1.0 + row_sums(weighed))


def _log_odds(log_p: NDArray[Any]) -> NDArray[Any]:
    lowest = np.maximum(log_p, np.finfo(np.float32).min)
    difference: NDArray[Any] = lowest[:, :-1] - lowest[:, -1:]
    return difference


def _odds(log_odds: NDArray[Any]) -> NDArray[np.float64]:
    clipped = np.clip(log_odds, -LARGEST_LOG_ODDS, LARGEST_LOG_ODDS)
    odds: NDArray[np.float64] = np.exp(clipped.astype(np.float64))
    return odds


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
