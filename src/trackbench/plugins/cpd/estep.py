"""The expectation step, written for few passes over memory.

Template neurons are the centres of a Gaussian mixture and test neurons its samples, so that the
posterior of a test neuron over template neurons and "no partner" is the row that a `Match`
holds (Myronenko and Song, IEEE TPAMI 32:2262, 2010, with the uniform component spread over the
volume of the template). Everything carries a leading batch axis b of independent problems.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    FloatArray = NDArray[np.float32]

__all__ = ["Mixture", "Problems", "Responsibility", "respond"]

DIMENSIONS = 3
TINY = np.float32(1e-30)
IDLE = np.float32(0.3)
"""Weight of a template neuron that finds no partner, where test neurons compete."""


@dataclass(frozen=True, eq=False)
class Problems:
    """Tests to register on one template.

    Parameters
    ----------
    points : (b, m, 3) array of float32
        Test neurons in µm, padded with zeros.
    mask : (b, m) array of float32
        1 for a neuron, 0 for padding.
    """

    points: FloatArray
    mask: FloatArray

    def take(self, index: NDArray[np.intp]) -> Problems:
        """Give the problems at `index`; one may stand several times."""
        return Problems(self.points[index], self.mask[index])


@dataclass(frozen=True)
class Mixture:
    """What a Gaussian mixture is told beforehand.

    Parameters
    ----------
    w : float
        Prior probability that a test neuron has no partner.
    room : float
        Volume in µm³ over which the neurons without partner are spread.
    exclusion : int
        Rounds of competition among test neurons, see `respond`.
    """

    w: float
    room: float
    exclusion: int = 0


@dataclass(frozen=True, eq=False)
class Responsibility:
    """The outcome of one expectation step.

    Parameters
    ----------
    kernel : (b, m, n) array of float32
        Gaussians of the distance, not normalised.
    scale : (b, m) array of float32
        The factor of each row that makes it a posterior; 0 for padding.
    density : (b, m) array of float32
        Sum of each row of the kernel before any competition, `none` included.
    none : float
        The uniform component on the scale of the kernel.
    """

    kernel: FloatArray
    scale: FloatArray
    density: FloatArray
    none: float

    def log_likelihood(self, mask: FloatArray) -> NDArray[np.float64]:
        """Sum the log-densities of the neurons of each test, less a constant of the width."""
        total: NDArray[np.float64] = (np.log(self.density.astype(np.float64)) * mask).sum(axis=1)
        return total

    def moments(self, points: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Sum the posteriors over test neurons.

        Returns
        -------
        weight : (b, n) array
            Expected number of partners of each template neuron.
        pulled : (b, n, 3) array
            Sum of the partners' positions, weighted by posterior.
        """
        row = np.concatenate([self.scale[..., None], self.scale[..., None] * points], axis=2)
        total = np.matmul(self.kernel.transpose(0, 2, 1), row)
        return total[..., 0], total[..., 1:]


def respond(
    problems: Problems, centres: FloatArray, sigma: float, mixture: Mixture
) -> Responsibility:
    """Weigh every test neuron against every template neuron.

    Parameters
    ----------
    problems : Problems
    centres : (b, n, 3) or (1, n, 3) array of float32
        Template neurons in µm.
    sigma : float
        Standard deviation of the Gaussians in µm.
    mixture : Mixture
        With `exclusion`, test neurons compete for template neurons: Sinkhorn's scaling with
        slack, as in Chui and Rangarajan 2003. Rows stay posteriors.
    """
    n = centres.shape[1]
    kernel = _kernel(problems.points, centres, np.float32(1.0 / sigma**2))
    norm = (2 * np.pi * sigma**2) ** (DIMENSIONS / 2)
    none = norm * mixture.w / (1 - mixture.w) * n / mixture.room
    density = np.matmul(kernel, np.ones(n, dtype=np.float32)) + np.float32(none)
    density = np.maximum(density, TINY)
    scale = problems.mask / density
    if mixture.exclusion:
        scale = _compete(kernel, problems.mask, scale, np.float32(none), mixture.exclusion)
    return Responsibility(kernel, scale, density, none)


def _kernel(points: FloatArray, centres: FloatArray, precision: np.float32) -> FloatArray:
    """Give `exp(-|x - y|² / 2σ²)` (b, m, n) by one matrix product and one exponential."""
    half = np.float32(-0.5) * precision
    left = np.empty((*points.shape[:2], DIMENSIONS + 2), dtype=np.float32)
    left[..., :DIMENSIONS] = points * precision
    left[..., DIMENSIONS] = half * np.square(points).sum(axis=2)
    left[..., DIMENSIONS + 1] = 1.0
    right = np.empty((len(centres), DIMENSIONS + 2, centres.shape[1]), dtype=np.float32)
    right[:, :DIMENSIONS] = centres.transpose(0, 2, 1)
    right[:, DIMENSIONS] = 1.0
    right[:, DIMENSIONS + 1] = half * np.square(centres).sum(axis=2)
    kernel: FloatArray = np.matmul(left, right)
    np.minimum(kernel, 0.0, out=kernel)
    return np.exp(kernel, out=kernel)


def _compete(
    kernel: FloatArray, mask: FloatArray, scale: FloatArray, none: np.float32, rounds: int
) -> FloatArray:
    """Scale the columns of the kernel in place towards a sum of 1; give the new row factors."""
    factor = np.ones((len(kernel), kernel.shape[2], 1), dtype=np.float32)
    for _ in range(rounds):
        claimed = np.matmul(scale[:, None, :], kernel)
        factor = 1.0 / (claimed.transpose(0, 2, 1) + IDLE)
        total = np.matmul(kernel, factor)[:, :, 0] + none
        scale = mask / np.maximum(total, TINY)
    kernel *= factor.transpose(0, 2, 1)
    return scale
