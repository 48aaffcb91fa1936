"""Color inputs that survive another microscope: robust scaling and ranks within the worm."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

CHANNELS: Final = 3
"""Red, green and blue of NeuroPAL; further channels are ignored."""

COMPRESSION: Final = 8.0
"""Scaled color is linear below an eighth of its 90th percentile and logarithmic above."""


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
        Asinh of the scaled channels, the rank of each channel within the worm
        in (-1, 1), and 1 where there is color; zeros without color.
    """
    if color is None or count == 0:
        return np.zeros((count, 2 * CHANNELS + 1), dtype=np.float32)
    scaled = scaled_color(color)
    ranks = 2.0 * (rank(scaled) + 0.5) / count - 1.0
    compressed = np.arcsinh(COMPRESSION * scaled) - 1.5
    return np.hstack([compressed, ranks, np.ones((count, 1))]).astype(np.float32)


def scaled_color(color: ArrayLike) -> NDArray[np.float64]:
    """Scale each channel within the worm: 5th percentile to 0, 90th percentile to 1.

    Parameters
    ----------
    color : array_like, (n, c >= 3)

    Returns
    -------
    ndarray, (n, 3)
    """
    raw = np.asarray(color, dtype=np.float64)[:, :CHANNELS]
    ordered = np.sort(raw, axis=0)
    low = ordered[int(0.05 * (len(raw) - 1))]
    high = ordered[int(round(0.9 * (len(raw) - 1)))]
    return (raw - low) / np.maximum(high - low, 1e-6 + 0.05 * raw.std(axis=0))


def rank(values: NDArray[np.float64]) -> NDArray[np.intp]:
    """Rank of each row within its column, 0 the smallest; ties in order of row."""
    return np.argsort(np.argsort(values, axis=0, kind="stable"), axis=0, kind="stable")
