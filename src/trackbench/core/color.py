"""Colors that can be compared between worms and microscopes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["CHANNELS", "compressed_color", "expanded_color", "ranks", "scaled_color"]

CHANNELS: Final = 3
"""Red, green and blue of NeuroPAL; further channels are ignored."""

COMPRESSION: Final = 8.0
"""Scaled color is linear below an eighth of its 90th percentile and logarithmic above."""

MIDDLE: Final = 1.5
"""Subtracted from compressed color, so that its mean over a worm is near zero."""


def scaled_color(color: ArrayLike) -> NDArray[np.float64]:
    """Scale each channel within the worm: 5th percentile to 0, 90th percentile to 1.

    Gain and background of the microscope drop out.

    Parameters
    ----------
    color : array_like, (n, c >= 3)
        Intensities in any unit, n > 0.

    Returns
    -------
    ndarray, (n, 3)
    """
    raw = np.asarray(color, dtype=np.float64)[:, :CHANNELS]
    ordered = np.sort(raw, axis=0)
    low = ordered[int(0.05 * (len(raw) - 1))]
    high = ordered[round(0.9 * (len(raw) - 1))]
    spread = np.maximum(high - low, 1e-6 + 0.05 * raw.std(axis=0))
    scaled: NDArray[np.float64] = (raw - low) / spread
    return scaled


def compressed_color(scaled: ArrayLike) -> NDArray[np.float64]:
    """Take asinh of scaled colors, so that dim neurons are told apart as well as bright ones."""
    compressed: NDArray[np.float64] = (
        np.arcsinh(COMPRESSION * np.asarray(scaled, dtype=np.float64)) - MIDDLE
    )
    return compressed


def expanded_color(compressed: NDArray[np.float64]) -> NDArray[np.float64]:
    """Undo `compressed_color`."""
    scaled: NDArray[np.float64] = np.sinh(compressed + MIDDLE) / COMPRESSION
    return scaled


def ranks(values: ArrayLike) -> NDArray[np.float64]:
    """Rank within each column, from -1 (smallest) to 1; free of gamma and any monotone change.

    Equal values get their ranks in order of row.
    """
    order = np.argsort(values, axis=0, kind="stable")
    place = np.argsort(order, axis=0, kind="stable")
    return 2.0 * (place + 0.5) / max(1, len(place)) - 1.0
