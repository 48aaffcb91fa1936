"""The only place where a table of probabilities becomes a one-to-one assignment.

The rows of a table are posteriors of one test neuron each: nothing in them says that two test
neurons can't be one template neuron. So `assign` first lets the rows know of each other, then
takes the one-to-one matching with the largest expected number of right pairs. On real worms
this names more neurons correctly than the matching of largest likelihood (the sum of the
logarithms), in which a row that fits nowhere costs as much as many that fit.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

__all__ = ["assign", "assign_finite", "pair_marginals", "row_argmax"]

LARGEST_LOG_ODDS: Final = 25.0
"""Odds of a pair against 'none' are cut off here, far beyond any calibrated certainty."""

ROUNDS: Final = 5
"""Rounds of message passing; more change no assignment worth counting."""

LEAST: Final = 0.05
"""A pair less probable than this is not made, even where nothing else wants its column."""

FEW: Final = 0.2
"""Share of pairs with odds above the inverse of the largest, up to which the others are left out:
of a sure matcher it is a few in a hundred."""

CLEARLY: Final = 1e-9
"""By this much a pair must be worth more than others: what is equal differs by rounding."""

Sums = Callable[[NDArray[np.float64]], NDArray[np.float64]]


@dataclass(frozen=True, eq=False)
class _Pairs:
    """Some pairs of a table of a shape: rows, columns and places in the flattened table, (p,)."""

    places: NDArray[np.intp]
    rows: NDArray[np.intp]
    columns: NDArray[np.intp]
    shape: tuple[int, int]

    @classmethod
    def at(cls, places: NDArray[np.intp], shape: tuple[int, int]) -> _Pairs:
        """Give the pairs at these places."""
        rows = places // max(1, shape[1])
        return cls(places, rows, places - rows * shape[1], shape)

    def row_sums(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Add up values (p,) over each pair's row, and 1 for 'none': (p,)."""
        sums: NDArray[Any] = np.bincount(self.rows, values, self.shape[0])
        return (sums + 1.0)[self.rows]

    def column_sums(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Add up values (p,) over each pair's column, and 1 for 'none': (p,)."""
        sums: NDArray[Any] = np.bincount(self.columns, values, self.shape[1])
        return (sums + 1.0)[self.columns]


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
    return assign_finite(_finite(log_p))


def assign_finite(log_p: NDArray[Any]) -> NDArray[np.intp]:
    """Do as `assign` with a table that holds no infinite value, in fewer passes."""
    none = log_p[:, -1]
    places = np.flatnonzero(log_p[:, :-1] > (none - LARGEST_LOG_ODDS)[:, None])
    if len(places) <= FEW * log_p.size:
        pairs = _Pairs.at(places, (len(log_p), log_p.shape[1] - 1))
        odds = _odds(log_p[pairs.rows, pairs.columns] - none[pairs.rows])
        return _assign_few(pairs, _settled(odds, pairs.row_sums, pairs.column_sums))
    column = np.full(len(log_p), -1, dtype=np.intp)
    rows, columns = _best(_marginals(log_p))
    column[rows] = columns
    return column


def _best(marginals: NDArray[np.float64]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    rows, columns = linear_sum_assignment(marginals, maximize=True)
    kept = marginals[rows, columns] > LEAST
    return rows[kept], columns[kept]


def _assign_few(pairs: _Pairs, value: NDArray[np.float64]) -> NDArray[np.intp]:
    """Take the pairs that every best matching has, and solve what remains.

    To leave out a pair frees its row and its column for one other pair each. Where it is worth
    more than all others of both together, no matching without it can be the best.
    """
    both = pairs.row_sums(value) + pairs.column_sums(value)
    sure = np.flatnonzero((both < 3 * value + (2 - CLEARLY)) & (value > LEAST))
    column = np.full(pairs.shape[0], -1, dtype=np.intp)
    column[pairs.rows[sure]] = pairs.columns[sure]
    free = np.ones(pairs.shape[1], dtype=np.bool_)
    free[pairs.columns[sure]] = False
    free_rows, free_columns = np.flatnonzero(column < 0), np.flatnonzero(free)
    table = np.zeros(pairs.shape)
    table.reshape(-1)[pairs.places] = value
    rows, columns = _best(table[free_rows[:, None], free_columns])
    column[free_rows[rows]] = free_columns[columns]
    return column


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
    return _marginals(_finite(log_p))


def _marginals(log_p: NDArray[Any]) -> NDArray[np.float64]:
    return _settled(
        _odds(log_p[:, :-1] - log_p[:, -1:]),
        lambda values: 1.0 + values.sum(axis=1, keepdims=True),
        lambda values: 1.0 + values.sum(axis=0, keepdims=True),
    )


def _settled(odds: NDArray[np.float64], row_sums: Sums, column_sums: Sums) -> NDArray[np.float64]:
    """Pass messages between rows and columns; give the marginals of the pairs."""
    weighed = odds
    for _ in range(ROUNDS):
        told = odds / (row_sums(weighed) - weighed)
        weighed = odds / (column_sums(told) - told)
    return weighed / row_sums(weighed)


def _finite(log_p: NDArray[Any]) -> NDArray[Any]:
    finite: NDArray[Any] = np.maximum(log_p, np.finfo(np.float32).min)
    return finite


def _odds(log_odds: NDArray[Any]) -> NDArray[np.float64]:
    clipped = np.minimum(np.maximum(log_odds, -LARGEST_LOG_ODDS), LARGEST_LOG_ODDS)
    odds: NDArray[np.float64] = np.exp(clipped, dtype=np.float64)
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
