"""The only place where a table of probabilities becomes a one-to-one assignment."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.optimize import linear_sum_assignment

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["assign", "row_argmax"]

LOWEST_LOG_P = -60.0


def assign(log_p: NDArray[Any], price: float = 0.0) -> NDArray[np.intp]:
    """Assign rows to columns one to one, each row free to stay alone.

    Every row has a dustbin of its own that costs its last column, so the problem is a
    rectangular assignment with m extra columns. A row takes a column only where that beats its
    dustbin, so the gain over it, cut off at zero, is all that the solver needs: the same
    optimum on the (m, k) table instead of (m, k + m).

    Parameters
    ----------
    log_p : (m, k + 1) array
        Natural log-probabilities, last column = none.
    price : float
        Added to the log-probability of every pair: above 0 more rows are assigned.

    Returns
    -------
    (m,) array of int
        The column of each row, -1 for none.
    """
    table = np.maximum(np.asarray(log_p, dtype=np.float64), LOWEST_LOG_P)
    gain = np.maximum(table[:, :-1] - table[:, -1:] + price, 0.0)
    column = np.full(len(table), -1, dtype=np.intp)
    if gain.size:
        rows, columns = linear_sum_assignment(gain, maximize=True)
        kept = gain[rows, columns] > 0
        column[rows[kept]] = columns[kept]
    return column


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
