"""Color inputs of the network that survive another microscope."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from trackbench.core.color import CHANNELS, compressed_color, ranks, scaled_color

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


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
    scaled = scaled_color(color)
    flag = np.ones((count, 1))
    return np.hstack([compressed_color(scaled), ranks(scaled), flag]).astype(np.float32)
