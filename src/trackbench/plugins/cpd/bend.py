"""Non-rigid registration: the template moves by a smooth field that all its neurons share.

Coherent point drift penalises the field by a Gaussian kernel (Myronenko and Song,
IEEE TPAMI 32:2262, 2010). The kernel belongs to the template alone, so it is decomposed once;
with its leading eigenvectors, their low-rank form, the maximisation step is a k x k system by
Woodbury's identity, k near 25, whatever the number of neurons.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from trackbench.core.geometry import distances
from trackbench.plugins.cpd.estep import Mixture, Problems, Responsibility, respond

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

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
    template : (n, 3) array of float32
        Neurons before they move, in µm.
    basis : (n, k) array of float32
        Movement of each neuron in µm for a weight of 1; the same for all three axes.
    """

    template: FloatArray
    basis: FloatArray

    def gram(self, weight: FloatArray) -> FloatArray:
        """Give `basis.T @ diag(weight) @ basis` (b, k, k) for weights (b, n)."""
        root = self.basis * np.sqrt(weight)[:, :, None]
        product: FloatArray = np.matmul(root.transpose(0, 2, 1), root)
        return product


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
    basis = vectors[:, kept] * np.sqrt(values[kept])
    return Field(template, np.ascontiguousarray(basis, dtype=np.float32))


@dataclass(frozen=True, eq=False)
class Bent:
    """Templates on their way to the tests.

    Parameters
    ----------
    centres : (b, n, 3) array of float32
        The moved template in µm.
    price : (b,) array of float64
        Half the squared weights of the movement: minus its log-prior but for a constant.
    """

    centres: FloatArray
    price: NDArray[np.float64]

    @classmethod
    def straight(cls, template: FloatArray, count: int) -> Bent:
        """Give `count` templates that haven't moved."""
        return cls(np.repeat(template[None], count, axis=0), np.zeros(count))

    def take(self, index: NDArray[np.intp]) -> Bent:
        """Give the templates at `index`."""
        return Bent(self.centres[index], self.price[index])

    def evidence(self, problems: Problems, found: Responsibility) -> NDArray[np.float64]:
        """Give the log-likelihood of the neurons of each test less the price."""
        return found.log_likelihood(problems.mask) - self.price


def bend_template(
    problems: Problems, field: Field, bent: Bent, sigmas: Iterable[float], mixture: Mixture
) -> Bent:
    """Move the template towards each test, one iteration a width.

    Parameters
    ----------
    problems : Problems
        Already in the pose of the template.
    field : Field
    bent : Bent
        Where to begin.
    sigmas : iterable of float
        Widths in µm.
    mixture : Mixture
    """
    for sigma in sigmas:
        found = respond(problems, bent.centres, sigma, mixture)
        weight, pulled = found.moments(problems.points)
        system = field.gram(weight)
        diagonal = np.arange(system.shape[1])
        system[:, diagonal, diagonal] += np.float32(sigma**2)
        target = np.matmul(field.basis.T, pulled - weight[:, :, None] * field.template)
        weights = np.linalg.solve(system, target)
        bent = Bent(
            field.template + np.matmul(field.basis, weights),
            0.5 * np.square(weights.astype(np.float64)).sum(axis=(1, 2)),
        )
    return bent
