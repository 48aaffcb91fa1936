"""Leave-one-out correction: where the other neurons say that a neuron should be.

For each neuron and each volume that votes, a smoothing thin plate through all the other neurons
that both have carries the neuron's place into the test (Nguyen et al. 2017, section "Error
correction"). All predictions that leave one neuron out come from a single solve: with L the
bordered kernel matrix and w its solution for targets y, the plate without point i gives
y_i - w_i / (L^-1)_ii (Wahba 1990, chapter 4).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from trackbench.core.assignment import assign
from trackbench.core.geometry import distances

if TYPE_CHECKING:
    from trackbench.core.geometry import FloatArray

__all__ = ["corrected", "leave_one_out", "places_of"]

SMOOTHING_UM: Final = 10.0
"""Added to the diagonal of the kernel: neurons are detected to about a micrometre."""

LENGTH_UM: Final = 25.0
"""Scales the affine columns, so that the system is well conditioned."""

WIDTH_UM: Final = 1.5
"""Expected distance of a neuron from the median of its predictions."""

FEWEST: Final = 6
"""A plate through fewer common neurons predicts nothing."""

LEAST: Final = 1e-4
"""A prediction that is far off says no more than this against a candidate."""

UNPREDICTED: Final = 1e-2
"""What it says of "none of the candidates"."""

TINY: Final = 1e-9


def places_of(p: FloatArray, zyx_um: FloatArray) -> FloatArray:
    """Give each candidate the place of the neuron that it is assigned to.

    Parameters
    ----------
    p : (n, k + 1) array
        Probabilities of the candidates, last column = none.
    zyx_um : (n, 3) array

    Returns
    -------
    (k, 3) array
        NaN where no neuron is the candidate.
    """
    places = np.full((p.shape[1] - 1, 3), np.nan)
    column = assign(np.log(p + TINY))
    found = column >= 0
    places[column[found]] = zyx_um[found]
    return places


def leave_one_out(volume: FloatArray, test: FloatArray) -> FloatArray:
    """Predict each candidate's place in a test from one volume and all other candidates.

    Parameters
    ----------
    volume, test : (k, 3) arrays
        Places in µm, NaN where there is none.

    Returns
    -------
    (k, 3) array
        NaN where the volume has no such candidate.
    """
    guess = np.full(volume.shape, np.nan)
    present = np.isfinite(volume[:, 0])
    common = np.flatnonzero(present & np.isfinite(test[:, 0]))
    if len(common) < FEWEST:
        return guess
    source, count = volume[common], len(common)
    system = np.zeros((count + 4, count + 4))
    system[:count, :count] = SMOOTHING_UM * np.eye(count) - distances(source, source)
    system[:count, count:] = _affine(source)
    system[count:, :count] = _affine(source).T
    inverse = np.linalg.pinv(system, hermitian=True)
    weights = inverse[:, :count] @ test[common]
    guess[common] = test[common] - weights[:count] / np.diagonal(inverse)[:count, None]
    other = np.flatnonzero(present & ~np.isfinite(test[:, 0]))
    columns = np.hstack([-distances(volume[other], source), _affine(volume[other])])
    guess[other] = columns @ weights
    return guess


def _affine(points: FloatArray) -> FloatArray:
    return np.hstack([np.ones((len(points), 1)), points / LENGTH_UM])


def corrected(p: FloatArray, zyx_um: FloatArray, volumes: FloatArray, share: float) -> FloatArray:
    """Weigh a test's table with how near each neuron lies to where it is predicted.

    Parameters
    ----------
    p : (n, k + 1) array
        Votes; rows sum to one.
    zyx_um : (n, 3) array
        The test.
    volumes : (v, k, 3) array
        Where the candidates are in the volumes that vote, NaN where absent.
    share : float
        Power of the correction; 0 leaves the table as it is.

    Returns
    -------
    (n, k + 1) array
    """
    test = places_of(p, zyx_um)
    guesses = np.stack([leave_one_out(volume, test) for volume in volumes])
    known = np.isfinite(guesses[..., 0]).any(axis=0)
    near = np.full(p.shape, LEAST)
    near[:, -1] = UNPREDICTED
    if known.any():
        middle = np.nanmedian(guesses[:, known], axis=0)
        off = distances(zyx_um, middle) / WIDTH_UM
        near[:, :-1][:, known] = np.maximum(np.exp(-0.5 * np.square(off)), LEAST)
    weighted: FloatArray = p * near**share + TINY
    weighted /= weighted.sum(axis=1, keepdims=True)
    return weighted
