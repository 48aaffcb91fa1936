"""Non-rigid registration: the template moves by a smooth field that all its neurons share.

Coherent point drift penalises the field by a Gaussian kernel (Myronenko and Song 2010,
equation 21). The kernel belongs to the template alone, so it is decomposed once; with its
leading eigenvectors the maximisation step is a k x k system by Woodbury's identity (their
section 6), k near 25, whatever the number of neurons.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from trackbench.core.geometry import distances
from trackbench.plugins.cpd.estep import Problems, Responsibility, respond

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from trackbench.plugins.cpd.estep import FloatArray

__all__ = ["Bent", "Field", "bend_template", "smooth_field"]

NEGLIGIBLE = 1e-3
"""Share of the largest eigenvalue below which an eigenvector is left out."""


@dataclass(frozen=True, eq=False)
class Field:
    """A prior over smooth movements of a template: independent standard normal weights.

    Parameters
    ----------
    basis : (n, k) array of float32
        Movement of each neuron in µm for a weight of 1; the same for all three axes.
    products : (n, k * (k + 1) / 2) array of float32
        Products of pairs of basis columns, the upper triangle.
    """

    basis: FloatArray
    products: FloatArray

    def gram(self, weight: FloatArray) -> FloatArray:
        """Give `basis.T @ diag(weight) @ basis` (b, k, k) for weights (b, n)."""
        k = self.basis.shape[1]
        upper = np.triu_indices(k)
        full = np.empty((len(weight), k, k), dtype=np.float32)
        full[:, upper[0], upper[1]] = full[:, upper[1], upper[0]] = weight @ self.products
        return full


def smooth_field(
    template: FloatArray, scales: Sequence[tuple[float, float]], stretch: float
) -> Field:
    """Make the prior of a template.

    Parameters
    ----------
    template : (n, 3) array
        In µm, centred.
    scales : sequence of (beta, bend)
        Gaussian kernels: distance over which neurons move together, and the standard deviation
        of the movement, both in µm.
    stretch : float
        Standard deviation of the entries of an affine part; 0 for none.
    """
    squared = np.square(distances(template, template))
    kernel = sum(
        (bend**2 * np.exp(-squared / (2 * beta**2)) for beta, bend in scales),
        start=np.zeros_like(squared),
    )
    points = template.astype(np.float64)
    kernel += stretch**2 * points @ points.T
    values, vectors = np.linalg.eigh(kernel)
    kept = values > NEGLIGIBLE * max(float(values.max(initial=0.0)), 1e-12)
    basis = (vectors[:, kept] * np.sqrt(values[kept])).astype(np.float32)
    row, column = np.triu_indices(basis.shape[1])
    return Field(np.ascontiguousarray(basis), basis[:, row] * basis[:, column])


@dataclass(frozen=True, eq=False)
class Bent:
    """The outcome of the non-rigid step.

    Parameters
    ----------
    centres : (b, n, 3) array of float32
        The moved template in µm.
    found : Responsibility
        At the moved template.
    evidence : (b,) array of float64
        Log-likelihood of all neurons of a test less the price of the movement.
    """

    centres: FloatArray
    found: Responsibility
    evidence: NDArray[np.float64]


def bend_template(
    problems: Problems,
    template: FloatArray,
    field: Field,
    sigmas: Sequence[float],
    w: float,
    room: float,
    exclusion: int = 0,
) -> Bent:
    """Move the template towards each test, one iteration a width; the last width is final.

    Parameters
    ----------
    problems : Problems
        Already in the pose of the template.
    template : (n, 3) array of float32
    field : Field
        Of this template.
    sigmas : sequence of float
        Widths in µm, at least one.
    w, room, exclusion
        See `estep.respond`.
    """
    centres, price = template[None], np.zeros(len(problems.points))
    found = respond(problems.points, problems.mask, centres, sigmas[0], w, room, exclusion)
    for sigma, following in zip(sigmas, [*sigmas[1:], sigmas[-1]], strict=True):
        weights = _weights(field, template, found, problems.points, sigma)
        centres = template + np.matmul(field.basis, weights)
        price = 0.5 * np.square(weights.astype(np.float64)).sum(axis=(1, 2))
        found = respond(problems.points, problems.mask, centres, following, w, room, exclusion)
    total = found.log_likelihood * problems.mask.sum(axis=1)
    return Bent(centres, found, total - price)


def _weights(
    field: Field,
    template: FloatArray,
    found: Responsibility,
    points: FloatArray,
    sigma: float,
) -> FloatArray:
    weight, pulled = found.moments(points)
    system = field.gram(weight)
    diagonal = np.arange(system.shape[1])
    system[:, diagonal, diagonal] += np.float32(sigma**2)
    target = np.matmul(field.basis.T, pulled - weight[:, :, None] * template)
    solved: FloatArray = np.linalg.solve(system, target)
    return solved
