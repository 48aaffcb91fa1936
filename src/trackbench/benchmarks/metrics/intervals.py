"""Bootstrap intervals: whole units (animals) are drawn with replacement."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

__all__ = ["CONFIDENCE", "RESAMPLES", "resampled_counts"]

RESAMPLES: Final = 2000
CONFIDENCE: Final = 0.95
BLOCK: Final = 2_000_000
SEED: Final = 20210707
"""Fixed, so that one set of rows has one interval."""


def resampled_counts(n_units: int) -> Iterator[NDArray[np.float64]]:
    """Give how often each unit is drawn, in blocks of resamples.

    Parameters
    ----------
    n_units : int
        At least 1.

    Yields
    ------
    (b, n_units) array of float64
        The blocks hold `RESAMPLES` rows in all.
    """
    rng = np.random.default_rng(SEED)
    block = max(1, min(RESAMPLES, BLOCK // n_units))
    for start in range(0, RESAMPLES, block):
        size = min(block, RESAMPLES - start)
        yield rng.multinomial(n_units, np.full(n_units, 1 / n_units), size=size).astype(float)
