"""The color rule of Yu et al. 2021 (Figure 5): Kullback-Leibler divergence of color shares."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from trackbench.core.color import CHANNELS

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from trackbench.core.geometry import FloatArray

SMALLEST_SHARE: Final = 1e-5


def color_shares(color: ArrayLike) -> FloatArray:
    """Divide the first three channels by their sum and cut them off at 1e-5.

    Parameters
    ----------
    color : array_like, (n, c >= 3)

    Returns
    -------
    ndarray, (n, 3)
        Not normalised again after the cut, as published.
    """
    raw = np.asarray(color, dtype=np.float64)[:, :CHANNELS]
    total = raw.sum(axis=1, keepdims=True)
    return np.maximum(raw / np.where(total == 0, 1.0, total), SMALLEST_SHARE)


def negative_divergence(test: ArrayLike, template: ArrayLike) -> FloatArray:
    """Give -KL(test neuron || template neuron) of the color shares, (n_test, n_template).

    Parameters
    ----------
    test, template : array_like, (n, c >= 3)
        Raw intensities, background subtracted.
    """
    y, x = color_shares(test), color_shares(template)
    entropy = np.sum(y * np.log(y), axis=1, keepdims=True)
    divergence: FloatArray = y @ np.log(x).T - entropy
    return divergence
