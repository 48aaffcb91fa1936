"""In what a head differs from its mirror image: the evidence for its handedness.

A few neurons without a partner lie well off the midline (M5 and I6 in the terminal bulb, AQR), and
the members of many pairs are shifted against one another by a little. Under the other handedness
each such difference has the other sign. They are compared with those of train worms by a Gaussian
whose covariance lets neighbouring neurons deviate together, as in a bent or twisted head.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from trackbench.core.assignment import assign
from trackbench.core.atlas import ALIGN_RIDGE_UM2
from trackbench.core.geometry import FloatArray, fit_affine, fit_rigid
from trackbench.plugins.identity.search import MIRROR

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

FEWEST_NAMED: Final = 8
"""With fewer named neurons there is no plane of symmetry to speak of."""

LEAST_PROBABLE: Final = 0.3
"""Names that are less probable are no evidence."""

TOGETHER_UM: Final = 1.0
"""Standard deviation of what neighbouring neurons share."""

NEIGHBOURHOOD_UM: Final = 20.0
"""Length over which they share it."""

MISNAMED_UM2: Final = 1.0
"""Variance that even odds of a wrong name add to the difference of a neuron."""

SYMMETRY_ROUNDS: Final = 20


@dataclass(frozen=True, eq=False)
class Asymmetry:
    """What is asymmetric in train worms.

    Parameters
    ----------
    places : ndarray, (k, 3)
        Places of the names in a symmetric atlas, µm; its midline plane is z = 0.
    partner : ndarray of int, (k,)
        The name on the other side; of a name without a partner, itself.
    mean : ndarray, (k, 3)
        Half the difference of a name's place from the mirror image of its partner's, µm.
    variance : ndarray, (k, 3)
        Of that of one worm, µm²; infinite where nothing is known or where it is said already.
    """

    places: FloatArray
    partner: NDArray[np.intp]
    mean: FloatArray
    variance: FloatArray

    def arrays(self) -> dict[str, FloatArray]:
        """Give what a weights file has to hold."""
        return {"places": self.places, "mean": self.mean, "variance": self.variance}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, FloatArray], names: Sequence[str]) -> Asymmetry:
        """Put together what a weights file held."""
        return cls(arrays["places"], partners(names), arrays["mean"], arrays["variance"])

    def support(self, zyx_um: FloatArray, log_p: FloatArray) -> float:
        """Say how well a reading's asymmetry agrees with that of train worms.

        Parameters
        ----------
        zyx_um : ndarray, (n, 3)
            Near the atlas, under one handedness.
        log_p : ndarray, (n, k + 1)
            Its names, last column = none.

        Returns
        -------
        float
            Half the log-likelihood ratio of this handedness against the other; 0 where too few
            neurons are named.
        """
        chosen = assign(log_p)
        p = np.exp(log_p[np.arange(len(log_p)), chosen])
        rows = np.flatnonzero((chosen >= 0) & (p > LEAST_PROBABLE))
        if len(rows) < FEWEST_NAMED:
            return 0.0
        names, sure = chosen[rows], np.zeros(len(self.places))
        sure[names] = p[rows]
        found = differences(zyx_um[rows], names, self.places, self.partner, sure[names])
        return self.half_log_ratio(found, np.sqrt(sure * sure[self.partner]))

    def half_log_ratio(self, found: FloatArray, sure: FloatArray) -> float:
        """Compare differences with the mean ones and with their negatives.

        Parameters
        ----------
        found : ndarray, (k, 3)
            As `differences` gives it.
        sure : ndarray, (k,)
            Probability of each name.
        """
        names, axes = np.nonzero(np.isfinite(found) & np.isfinite(self.variance))
        if len(names) == 0:
            return 0.0
        apart = np.square(self.places[names][:, None] - self.places[names]).sum(axis=2)
        shared = TOGETHER_UM**2 * np.exp(-0.5 * apart / NEIGHBOURHOOD_UM**2)
        misnamed = MISNAMED_UM2 * (1.0 / sure[names] - 1.0)
        covariance = shared * (axes[:, None] == axes) + np.diag(
            self.variance[names, axes] + misnamed
        )
        weights = np.linalg.solve(covariance, self.mean[names, axes])
        return float(found[names, axes] @ weights)


def partners(names: Sequence[str]) -> NDArray[np.intp]:
    """Find each name's counterpart on the other side, (k,); its own where there is none."""
    row = {name: i for i, name in enumerate(names)}
    other = {"L": "R", "R": "L"}
    mirrored = [name[:-1] + other.get(name[-1], name[-1]) for name in names]
    return np.array([row.get(name, i) for i, name in enumerate(mirrored)], dtype=np.intp)


def symmetric(means: FloatArray, partner: NDArray[np.intp]) -> FloatArray:
    """Average an atlas with its mirror image; the midline plane becomes z = 0.

    Parameters
    ----------
    means : ndarray, (k, 3)
        Mean places, anatomical axes, µm.
    partner : ndarray of int, (k,)
    """
    places = means
    for _ in range(SYMMETRY_ROUNDS):
        image = places[partner] * MIRROR
        places = 0.5 * (places + fit_rigid(image, places)(image))
    exact: FloatArray = 0.5 * (places + places[partner] * MIRROR)
    return exact


def differences(
    zyx_um: FloatArray,
    names: NDArray[np.intp],
    places: FloatArray,
    partner: NDArray[np.intp],
    sure: FloatArray,
) -> FloatArray:
    """Align named neurons to a symmetric atlas; compare each with its partner's mirror image.

    Parameters
    ----------
    zyx_um : ndarray, (m, 3)
    names : ndarray of int, (m,)
        Rows of `places`, each at most once.
    places : ndarray, (k, 3)
    partner : ndarray of int, (k,)
    sure : ndarray, (m,)
        Weights of the alignment.

    Returns
    -------
    ndarray, (k, 3)
        Half the difference, µm; NaN where the name or its partner is missing.
    """
    fit = fit_affine(zyx_um, places[names], sure, ridge=ALIGN_RIDGE_UM2)
    off = np.full(places.shape, np.nan)
    off[names] = fit(zyx_um) - places[names]
    half: FloatArray = 0.5 * (off - off[partner] * MIRROR)
    return half
