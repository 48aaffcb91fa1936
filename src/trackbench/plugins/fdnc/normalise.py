"""Scores to probabilities, by the agreement of both directions.

Scores of one test (m neurons) and its template (n) are a table (m + 1, n + 1) of float32: the
last column holds those of a test neuron without a partner, the last row those of a template
neuron without one. The corner has no meaning.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

__all__ = [
    "Normalised",
    "certainty",
    "log_posterior",
    "normalised",
    "normalised_in_place",
    "shifted",
]

LEAST_ALONE: Final = np.float32(-60.0)
"""Below the largest score: the score of having no partner is no lower, so that no sum of
exponentials is 0."""

LEAST_LOG: Final = np.float32(-1e4)


@dataclass(frozen=True, eq=False)
class Normalised:
    """Probabilities of pairs as a product that need not be formed.

    The probability of test neuron i and template neuron j is
    `rows[i] * exponential[i, j] * columns[j]`.

    Parameters
    ----------
    exponential : (m + 1, n + 1) array of float32
        Of the scores.
    rows, columns : (m + 1,) and (n + 1,) arrays of float32
        The last of each is 0.
    none : (m + 1,) array of float32
        Probability of having no partner; the last has no meaning.
    """

    exponential: Floats
    rows: Floats
    columns: Floats
    none: Floats

    def best(self) -> NDArray[np.intp]:
        """Give the most probable partner of every test neuron, (m,)."""
        best: NDArray[np.intp] = (self.exponential[:-1] * self.columns).argmax(axis=1)
        return best


def shifted(table: Floats, template_alone: Floats) -> Floats:
    """Bring scores into a table and move all of them by one number: changes no probability.

    The largest becomes 0.

    Parameters
    ----------
    table : (m, n + 1) array of float32
        Of the test's neurons.
    template_alone : (n,) array of float32
    """
    top = max(table.max(initial=-np.inf), template_alone.max(initial=-np.inf))
    moved = np.empty((len(table) + 1, len(template_alone) + 1), dtype=np.float32)
    np.subtract(table, top, out=moved[:-1])
    np.maximum(moved[:-1, -1], LEAST_ALONE, out=moved[:-1, -1])
    np.maximum(template_alone - top, LEAST_ALONE, out=moved[-1, :-1])
    moved[-1, -1] = LEAST_LOG
    return moved


def normalised(scores: Floats) -> Normalised:
    """Normalise scores that are `shifted`.

    A pair gets the geometric mean of its probabilities by row and by column: each direction
    knows of competitors that the other doesn't. Rows, with "no partner", are then normalised.
    """
    return normalised_in_place(scores.copy())


def normalised_in_place(scores: Floats) -> Normalised:
    """Do as `normalised`; the scores are lost."""
    exponential = np.exp(scores, out=scores)
    both = np.ones((exponential.shape[1], 2), dtype=np.float32)
    np.divide(1, np.sqrt(exponential.sum(axis=0)), out=both[:, 1])
    both[-1, 1] = 0
    columns = both[:, 1]
    by_row, pairs = (exponential @ both).T
    root = 1 / np.sqrt(by_row)
    none = exponential[:, -1] / by_row
    total = pairs * root + none
    rows = root / total
    rows[-1] = 0
    return Normalised(exponential, rows, columns, none / total)


def certainty(scores: Floats) -> float:
    """Mean of the largest pair probability of every test neuron; scores are `shifted`."""
    found = normalised(scores)
    best = (found.exponential * found.columns).max(axis=1)
    return float(found.rows @ best) / (len(scores) - 1)


def log_posterior(scores: Floats) -> Floats:
    """Log-probabilities (m, n + 1), rows normalised, last column "no partner".

    See `normalised`; scores are `shifted`.
    """
    found = normalised(scores)
    rows, columns = np.log(found.rows[:-1]), np.log(found.columns[:-1])
    table = np.empty((len(rows), len(columns) + 1), dtype=np.float32)
    np.add(scores[:-1, :-1], rows[:, None], out=table[:, :-1])
    table[:, :-1] += columns
    table[:, -1] = np.maximum(np.log(found.none[:-1]), LEAST_LOG)
    return table
