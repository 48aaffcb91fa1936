"""Fits the asymmetry of heads to labeled train worms.

People sometimes name a head as its mirror image. Such a worm contradicts all others, so each
worm counts as much as the others, without it, make its handedness probable.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

import numpy as np

from trackbench.plugins.identity.asymmetry import (
    TOGETHER_UM,
    Asymmetry,
    differences,
    partners,
    symmetric,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from trackbench.core.atlas import NamedPoints
    from trackbench.core.geometry import FloatArray

SHRINKAGE_WORMS: Final = 2.0
"""Worms without any asymmetry that are added to every mean."""

PRIOR_WORMS: Final = 6.0
"""Weight of the pooled variance in that of each name."""

FEWEST_WORMS: Final = 1.5
"""Names with less weight are left out."""

MIRRORED_SHARE: Final = 0.07
"""Share of worms that were named as their mirror image: 4 of the 55 train worms seem to be."""

CAUTION: Final = 4.0
"""Log-likelihood ratios are divided by twice this before a worm is doubted."""

ROUNDS: Final = 4


def fit_asymmetry(
    worms: Sequence[NamedPoints], names: Sequence[str], means: FloatArray
) -> Asymmetry:
    """Fit mean and variance of what is asymmetric.

    Parameters
    ----------
    worms : sequence of NamedPoints
        With the anatomy's handedness, as far as their names tell it.
    names : sequence of str
    means : ndarray, (k, 3)
        Mean place of each name, anatomical axes, µm.
    """
    partner = partners(names)
    places = symmetric(means, partner)
    found = np.stack(
        [
            differences(
                worm.zyx_um[worm.named],
                worm.index[worm.named],
                places,
                partner,
                np.ones(len(worm.named)),
            )
            for worm in worms
        ]
    )
    empty = np.full(places.shape, np.inf)
    blank = Asymmetry(places, partner, np.zeros(places.shape), empty)
    trust = np.ones(len(worms))
    for _ in range(ROUNDS):
        trust = np.array([_trust(blank, found, trust, i) for i in range(len(worms))])
    return _moments(blank, found, trust)


def _trust(blank: Asymmetry, found: FloatArray, trust: FloatArray, worm: int) -> float:
    """Probability that a worm's handedness is right, by all other worms."""
    others = trust.copy()
    others[worm] = 0.0
    support = _moments(blank, found, others).half_log_ratio(found[worm], np.ones(found.shape[1]))
    prior = np.log((1.0 - MIRRORED_SHARE) / MIRRORED_SHARE)
    return float(1.0 / (1.0 + np.exp(-(support / CAUTION + prior))))


def _moments(blank: Asymmetry, found: FloatArray, trust: FloatArray) -> Asymmetry:
    """Mean and predictive variance of the differences, worms weighted by trust."""
    weight = trust[:, None, None] * np.isfinite(found)
    values = np.nan_to_num(found)
    count = weight.sum(axis=0)
    mean = (weight * values).sum(axis=0) / np.maximum(count, 1e-9)
    scatter = (weight * np.square(values - mean)).sum(axis=0)
    freedom = np.maximum(count - 1.0, 0.0)
    asked, alone = _asked(blank.partner)
    pooled = np.zeros(mean.shape)
    for chosen in (asked & alone, asked & ~alone):
        pooled[chosen] = scatter[chosen].sum() / max(freedom[chosen].sum(), 1.0)
    variance = (scatter + PRIOR_WORMS * pooled) / (freedom + PRIOR_WORMS)
    own = np.maximum(variance - 0.7 * TOGETHER_UM**2, 0.3 * variance)
    predictive = own + variance / np.maximum(count, 1e-9)
    return replace(
        blank,
        mean=mean * count / (count + SHRINKAGE_WORMS),
        variance=np.where(asked & (count > FEWEST_WORMS), predictive, np.inf),
    )


def _asked(partner: NDArray[np.intp]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which differences say something new, and which are of names without partner; (k, 3) each.

    Of a pair the first member says all; without a partner there is left and right alone.
    """
    rows = np.arange(len(partner))
    alone = np.repeat((partner == rows)[:, None], 3, axis=1)
    asked = np.repeat((partner > rows)[:, None], 3, axis=1)
    asked[:, 0] |= alone[:, 0]
    return asked, alone
