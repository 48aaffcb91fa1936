"""Many small Gaussians evaluated at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from trackbench.core.geometry import FloatArray

__all__ = ["Gaussians"]


@dataclass(frozen=True, eq=False)
class Gaussians:
    """Gaussians ready for evaluation: means, whitening factors, log-normalisers.

    Parameters
    ----------
    mean : ndarray, (k, d)
    whiten : ndarray, (k, d, d)
        Inverse Cholesky factors of the covariances.
    log_norm : ndarray, (k,)
        Log of the density at the mean.
    """

    mean: FloatArray
    whiten: FloatArray
    log_norm: FloatArray

    @classmethod
    def of(cls, mean: FloatArray, cov: FloatArray) -> Gaussians:
        """Factor covariances (k, d, d)."""
        lower = np.linalg.cholesky(cov)
        log_det = 2.0 * np.log(np.diagonal(lower, axis1=1, axis2=2)).sum(axis=1)
        log_norm = -0.5 * (log_det + mean.shape[1] * np.log(2.0 * np.pi))
        return cls(mean, np.linalg.inv(lower), log_norm)

    def mahalanobis(self, values: FloatArray) -> FloatArray:
        """Squared Mahalanobis distances, (n, d) values to (k,) Gaussians: (n, k)."""
        shift = np.einsum("kij,kj->ki", self.whiten, self.mean)
        white = np.einsum("kij,nj->nki", self.whiten, values, optimize=True) - shift
        squared: FloatArray = np.square(white).sum(axis=2)
        return squared

    def log_density(self, values: FloatArray) -> FloatArray:
        """Log-densities, (n, k)."""
        return self.log_norm - 0.5 * self.mahalanobis(values)
