"""Color inputs of the network that survive another microscope."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from trackbench.core.color import CHANNELS, compressed_color, ranks, scaled_color

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from trackbench.core.geometry import FloatArray


def color_features(color: ArrayLike | None, count: int) -> NDArray[np.float32]:
    """Turn raw colors into inputs of the network.

    Parameters
    ----------
    color : array_like, (count, c >= 3), or None
        Any unit and offset.
    count : int
        Number of neurons.

    Returns
    -------
    ndarray, (count, 7)
        Asinh of the scaled channels, the rank of each channel within the worm in (-1, 1), and
        1 where there is color; zeros without color.
    """
    if color is None or count == 0:
        return np.zeros((count, 2 * CHANNELS + 1), dtype=np.float32)
    return _features(compressed_color(scaled_color(color)))


def corrected_features(
    features: NDArray[np.float32], log_p: FloatArray, name_colors: FloatArray
) -> NDArray[np.float32]:
    """Bring a worm's colors to those of the names that its neurons seem to have.

    A weighted affine fit of three channels, drawn towards the identity: another microscope's
    gain, gamma and crosstalk drop out as far as the predicted names tell them.

    Parameters
    ----------
    features : ndarray, (n, 7)
        Of `color_features`, with color.
    log_p : ndarray, (n, k + 1)
        Predicted names.
    name_colors : ndarray, (k, 3)
        Mean compressed color of every name.

    Returns
    -------
    ndarray, (n, 7)
    """
    color = features[:, :CHANNELS].astype(np.float64)
    p = np.exp(log_p[:, :-1])
    wanted = (p @ name_colors) / np.maximum(p.sum(axis=1, keepdims=True), 1e-9)
    sure = p.max(axis=1, keepdims=True) ** 2
    design = np.hstack([color, np.ones((len(color), 1))])
    pull = np.diag([CORRECTION_RIDGE] * CHANNELS + [0.1 * CORRECTION_RIDGE])
    moment = design.T @ (sure * design) + pull
    target = design.T @ (sure * wanted) + pull @ np.eye(CHANNELS + 1, CHANNELS)
    return _features(design @ np.linalg.solve(moment, target))


CORRECTION_RIDGE: Final = 5.0
"""Pull to uncorrected colors, in neurons of certain name."""


def _features(compressed: FloatArray) -> NDArray[np.float32]:
    flag = np.ones((len(compressed), 1))
    return np.hstack([compressed, ranks(compressed), flag]).astype(np.float32)
