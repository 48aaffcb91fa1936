"""Tables over names are added, then assigned once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from trackbench.core.assignment import assign
from trackbench.core.types import ANONYMOUS, Evidence, Labels

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

FloatT = TypeVar("FloatT", np.float32, np.float64)

__all__ = ["add", "label", "normalise_rows", "prefer_named", "widen"]

FLOOR = -30.0
TOP = 5


def normalise_rows(scores: NDArray[Any]) -> NDArray[np.float64]:
    """Subtract each row's log-sum-exp: log-scores (m, k) become log-probabilities."""
    table = np.asarray(scores, dtype=np.float64)
    table = table - table.max(axis=1, keepdims=True)
    normalised: NDArray[np.float64] = table - np.log(np.exp(table).sum(axis=1, keepdims=True))
    return normalised


def add(tables: Sequence[Evidence], weights: Sequence[float]) -> Evidence:
    """Add weighted log-probabilities over the union of all names (a product of experts).

    A table that doesn't know a name spreads its 'none of these' evenly over the names that it
    doesn't know. Anonymous candidates belong to one table; the other tables treat them so too.

    Parameters
    ----------
    tables : sequence of Evidence
        At least one; all with the same number of rows.
    weights : sequence of float
        One a table.
    """
    names = tuple(dict.fromkeys(name for table in tables for name in table.names))
    if len(tables) == 1 and weights[0] == 1.0:
        return tables[0]
    total = np.zeros((len(tables[0].log_p), len(names) + 1))
    for table, weight in zip(tables, weights, strict=True):
        total += weight * widen(table, names)
    preference = sum(
        weight * table.preference for table, weight in zip(tables, weights, strict=True)
    )
    return Evidence(names, normalise_rows(total).astype(np.float32), preference)


def widen(table: Evidence, names: Sequence[str]) -> NDArray[np.float64]:
    """Give a table's log-probabilities over more names, (n, len(names) + 1).

    Parameters
    ----------
    table : Evidence
    names : sequence of str
        All of the table's names and others, over which its 'none of these' is spread evenly.
    """
    column = {name: j for j, name in enumerate(table.names)}
    unknown = sum(name not in column for name in names)
    log_p = np.maximum(table.log_p.astype(np.float64), FLOOR)
    spread = log_p[:, -1:] - np.log(unknown + 1.0)
    index = [column.get(name, -1) for name in names]
    wide = np.where(np.array([i < 0 for i in index], dtype=bool), spread, log_p[:, index])
    return np.concatenate([wide, spread], axis=1)


def prefer_named(log_p: NDArray[Any], names: Sequence[str], log_odds: float) -> NDArray[np.float32]:
    """Raise the names against anonymous candidates and "none"; rows stay normalised.

    A person names the neurons that can be found in every volume. So where a neuron's own
    partner in the template is unnamed and a named one next to it has found no partner, the
    name is the better guess.

    Parameters
    ----------
    log_p : (n, k + 1) array
        Natural log-probabilities, last column = none.
    names : sequence of str, length k
        Those that begin with ``?`` are anonymous.
    log_odds : float
        0 changes nothing.
    """
    raised = _raised(np.asarray(log_p, dtype=np.float64), _named(names), log_odds)
    return normalise_rows(raised).astype(np.float32)


def _raised(log_p: NDArray[FloatT], named: NDArray[np.bool_], log_odds: float) -> NDArray[FloatT]:
    """Raise the columns of names; rows are not normalised."""
    raised: NDArray[FloatT] = np.maximum(log_p, 2 * FLOOR)
    raised += log_odds * named.astype(raised.dtype)
    return raised


def _named(names: Sequence[str]) -> NDArray[np.bool_]:
    """Tell which columns (k + 1,) carry a name; the last, 'none', does not."""
    return np.array([*(not name.startswith(ANONYMOUS) for name in names), False])


def label(evidence: Evidence) -> Labels:
    """Assign once: names, their probability and five candidates a row.

    Names are preferred by the table's `preference`, in the assignment and in the probability of
    a name that is given; the candidates keep the order of the table.
    """
    named = _named(evidence.names)
    raised = _raised(evidence.log_p, named, evidence.preference)
    column = assign(raised)
    taken = (column >= 0) & named[column]
    names = tuple([evidence.names[j] if ok else "" for j, ok in zip(column, taken, strict=True)])
    given = raised[np.arange(len(raised)), column] - _log_sums(raised)
    return Labels(names, np.where(taken, np.exp(given), 0.0), _top_names(evidence))


def _log_sums(log_p: NDArray[FloatT]) -> NDArray[FloatT]:
    top = log_p.max(axis=1)
    sums: NDArray[FloatT] = top + np.log(np.exp(log_p - top[:, None]).sum(axis=1))
    return sums


def _top_names(evidence: Evidence) -> tuple[tuple[str, ...], ...]:
    """Give the best candidates of each row; of equals the first."""
    table = np.maximum(evidence.log_p[:, :-1], np.finfo(np.float32).min)
    rows = np.arange(len(table))
    best = np.empty((len(table), min(TOP, len(evidence.names))), dtype=np.intp)
    # a pass for each is faster than a partial sort
    for place in range(best.shape[1]):
        best[:, place] = table.argmax(axis=1)
        table[rows, best[:, place]] = -np.inf
    names = np.array(evidence.names, dtype=np.object_)
    return tuple(map(tuple, names[best].tolist()))
