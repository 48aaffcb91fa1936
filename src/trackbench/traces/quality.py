"""How well traces follow the true calcium of a simulated recording."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    FloatArray = NDArray[np.float64]

__all__ = ["correlations", "true_activity"]

FEWEST: Final = 20
"""Volumes that a correlation needs."""


def true_activity(names: Sequence[str], truth: tuple[tuple[str, ...], FloatArray]) -> FloatArray:
    """Put the true calcium into the order of the tracks, (T, N), NaN where a name isn't known.

    Parameters
    ----------
    names : sequence of str, length N
    truth : names and (T, M) array
        As `Recording.calcium` gives it.
    """
    known, calcium = truth
    column = {name: k for k, name in enumerate(known)}
    found = np.full((len(calcium), len(names)), np.nan)
    for j, name in enumerate(names):
        if name in column:
            found[:, j] = calcium[:, column[name]]
    return found


def correlations(
    activity: FloatArray, calcium: FloatArray, where: NDArray[np.bool_] | None = None
) -> FloatArray:
    """Correlate each neuron's activity with its true calcium, (N,).

    Parameters
    ----------
    activity, calcium : (T, N) arrays
        NaN where not known.
    where : (T, N) array of bool, optional
        The volumes that count.

    Returns
    -------
    (N,) array
        NaN with fewer than 20 volumes, or where one of both is constant.
    """
    usable = np.isfinite(activity) & np.isfinite(calcium)
    usable &= True if where is None else where
    found = np.full(activity.shape[1], np.nan)
    for j, rows in enumerate(usable.T):
        a, b = activity[rows, j], calcium[rows, j]
        if len(a) >= FEWEST and a.std() > 0 and b.std() > 0:
            found[j] = np.corrcoef(a, b)[0, 1]
    return found
