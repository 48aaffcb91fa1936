"""Tables over names are added, then assigned once."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from trackbench.core.assignment import assign_finite
from trackbench.core.types import ANONYMOUS, Evidence, Labels

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["add", "label", "normalise_rows", "prefer_named", "widen"]

FLOOR = -30.0
TOP = 5
TAKEN = np.uint32(2**32 - 1)
LARGEST_LOG_ODDS = 80.0
"""Its exponential and the inverse are numbers of single precision."""


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
    if len(tables) == 1 and weights[0] == 1.0:
        return tables[0]
    names = tuple(dict.fromkeys(name for table in tables for name in table.names))
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
    raised = np.maximum(np.asarray(log_p, dtype=np.float64), 2 * FLOOR)
    raised += log_odds * _named(names)
    return normalise_rows(raised).astype(np.float32)


def _named(names: Sequence[str]) -> NDArray[np.bool_]:
    """Tell which columns (k + 1,) carry a name; the last, 'none', does not."""
    return np.array([*(not name.startswith(ANONYMOUS) for name in names), False])


@dataclass(frozen=True, eq=False)
class _Columns:
    """What the columns of a table stand for, the last for 'none', where names are preferred.

    Parameters
    ----------
    names : (k,) array of str
    given : (k + 1,) array of str
        What a neuron that is assigned to a column is called: "" where it has no name.
    named : (k + 1,) array of bool
    raise_by : (k + 1,) array of float32
        Log-odds by which a column is raised: the preference, of a name.
    weight : (k + 1,) array of float32
        The same as a factor: that of a name is 1.
    """

    names: NDArray[np.object_]
    given: NDArray[np.object_]
    named: NDArray[np.bool_]
    raise_by: NDArray[np.float32]
    weight: NDArray[np.float32]


@lru_cache(maxsize=64)
def _columns(names: tuple[str, ...], preference: float) -> _Columns:
    named, every = _named(names), np.array([*names, ""], dtype=np.object_)
    others = math.exp(-min(max(preference, -LARGEST_LOG_ODDS), LARGEST_LOG_ODDS))
    return _Columns(
        every[:-1],
        np.where(named, every, ""),
        named,
        float(preference) * named.astype(np.float32),
        np.where(named, 1.0, others).astype(np.float32),
    )


def label(evidence: Evidence) -> Labels:
    """Assign once: names, their probability and five candidates a row.

    Names are preferred by the table's `preference`, in the assignment and in the probability of
    a name that is given; the candidates keep the order of the table.
    """
    columns = _columns(evidence.names, evidence.preference)
    log_p = np.maximum(evidence.log_p, 2 * FLOOR)
    column = assign_finite(log_p + columns.raise_by)
    own = np.exp(log_p[np.arange(len(column)), column])
    every = np.einsum("ij,j->i", np.exp(log_p), columns.weight)
    return Labels(
        tuple(columns.given[column].tolist()),
        np.where(columns.named[column], own / every, 0.0),
        _top_names(evidence, columns.names),
    )


def _top_names(evidence: Evidence, names: NDArray[np.object_]) -> tuple[tuple[str, ...], ...]:
    """Give the best candidates of each row; of equals the first."""
    if not len(names):
        return ((),) * len(evidence.log_p)
    # the bits of a negative number, read as an integer, are the smaller the larger it is; no row
    # has two that are not negative, and what was taken is larger than minus infinity's bits
    bits = evidence.log_p[:, :-1].copy().view(np.uint32)
    starts = np.arange(0, bits.size, len(names))
    best = np.empty((min(TOP, len(names)), len(bits)), dtype=np.intp)
    # a pass for each is faster than a partial sort
    for place in best:
        bits.argmin(axis=1, out=place)
        bits.reshape(-1)[starts + place] = TAKEN
    return tuple(zip(*names[best].tolist(), strict=True))
