"""How names lie to each other: for every pair of names a Gaussian of their displacement.

One such Gaussian holds what Chaudhary et al. 2021 (eLife 10: e60321) use one by one: the order
of two neurons from left to right, dorsal to ventral and anterior to posterior (the signs of the
three components), the angle between them (the direction) and their distance (the length). The
names that bend and stretch together have narrow ones, however far both wander.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from trackbench.core.atlas import NamedPoints
    from trackbench.core.geometry import FloatArray
    from trackbench.core.statistical_atlas import StatisticalAtlas

__all__ = ["Relations", "learn_relations"]

PRIOR_PAIRS: Final = 3.0
"""Worms that the prior of a pair counts as: two names that move independently."""

FLOOR_UM2: Final = 1.0
"""Added to each variance of a displacement: both neurons are marked by hand."""

MOST_GAIN: Final = 3.0
"""A single pair says no more than this (nat), for or against."""

SAME_NAME: Final = -6.0
"""What it costs (nat) that two neighbours have one name."""


@dataclass(frozen=True, eq=False)
class Relations:
    """Displacements of name b from name a, axis by axis, in the atlas frame.

    Parameters
    ----------
    mean : (k, k, 3) array
        µm; [a, b] is the mean of position b minus position a.
    variance : (k, k, 3) array
        µm², of worms that carry both.
    alone : (k, 3) array
        µm², the variance of each name's own position.
    position : (k, 3) array
        Mean position of each name, µm.
    """

    mean: FloatArray
    variance: FloatArray
    alone: FloatArray
    position: FloatArray

    def gain(
        self, shift: FloatArray, first: NDArray[np.intp], second: NDArray[np.intp]
    ) -> FloatArray:
        """Say how much more likely a displacement is for a pair of names than for two strangers.

        The log-density of the displacement for the pair, minus what the two positions alone
        make of it: the pointwise mutual information, so that adding it to the evidence of the
        positions counts nothing twice.

        Parameters
        ----------
        shift : (e, 3) array
            Position of the second neuron minus that of the first, µm.
        first, second : (e, c) arrays of int
            Candidate names of both.

        Returns
        -------
        (e, c, c) array
            nat; rows for the first neuron's candidates.
        """
        a, b = first[:, :, None], second[:, None, :]
        given = shift[:, None, None, :]
        apart = self.alone[a] + self.alone[b]
        together = _log_normal(given - self.mean[a, b], self.variance[a, b])
        strangers = _log_normal(given - (self.position[b] - self.position[a]), apart)
        gain = np.clip(together - strangers, -MOST_GAIN, MOST_GAIN)
        return np.where(a == b, SAME_NAME, gain)


def _log_normal(off: FloatArray, variance: FloatArray) -> FloatArray:
    """Log-density but for the constant, axes independent, summed over the last axis."""
    total: FloatArray = -0.5 * (np.square(off) / variance + np.log(variance)).sum(axis=-1)
    return total


def learn_relations(worms: Sequence[NamedPoints], atlas: StatisticalAtlas) -> Relations:
    """Learn the displacements of all pairs of names from labeled worms.

    Parameters
    ----------
    worms : sequence of NamedPoints
        In the atlas frame.
    atlas : StatisticalAtlas
        Of the same names.
    """
    count = len(atlas.names)
    number = np.zeros((count, count, 1))
    total, squares = np.zeros((count, count, 3)), np.zeros((count, count, 3))
    for worm in worms:
        index, place = worm.index[worm.named], worm.zyx_um[worm.named]
        shift = place[None] - place[:, None]
        cells = np.ix_(index, index)
        number[cells] += 1.0
        total[cells] += shift
        squares[cells] += np.square(shift)
    alone = np.diagonal(atlas.position_cov, axis1=1, axis2=2)
    prior_mean = atlas.position[None] - atlas.position[:, None]
    prior_variance = alone[None] + alone[:, None]
    mean = (total + PRIOR_PAIRS * prior_mean) / (number + PRIOR_PAIRS)
    scatter = squares - 2.0 * mean * total + number * np.square(mean)
    variance = (scatter + PRIOR_PAIRS * prior_variance) / (number + PRIOR_PAIRS)
    return Relations(mean, variance + FLOOR_UM2, alone + FLOOR_UM2 / 2.0, atlas.position)
