"""The smooth maps that a template may undergo: thin plates of few degrees of freedom."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["Bendable", "bendable", "stack"]

LENGTH_UM = 25.0
"""Only scales the affine columns, so that all columns are of one size."""

LEAST_ENERGY = 1e-3
AFFINE_ENERGY = 0.05
"""Of turning, stretching and shearing: about a quarter of what the softest bend costs. Without
it wide Gaussians draw the template together into the middle of the test."""


@dataclass(frozen=True, eq=False)
class Bendable:
    """Templates and the maps that bend them: positions are `points + columns @ coefficients`.

    Parameters
    ----------
    points : (b, m, 3) tensor
        Padded, in the body frame, µm.
    real : (b, m) tensor
        1 for a neuron, 0 for padding.
    columns : (b, m, 4 + k) tensor
        Four affine columns, then the k smoothest bending modes.
    energy : (b, 4 + k) tensor
        Energy of a unit coefficient; 0 for the shift, small for the other affine columns.
    """

    points: torch.Tensor
    real: torch.Tensor
    columns: torch.Tensor
    energy: torch.Tensor

    def take(self, index: torch.Tensor) -> Bendable:
        """Give the templates at `index`."""
        return Bendable(
            self.points[index], self.real[index], self.columns[index], self.energy[index]
        )


def bendable(points: NDArray[np.float64], modes: int) -> Bendable:
    """Find the smoothest bending modes of one template.

    The thin-plate kernel in three dimensions is -|r| (Duchon 1977); its leading eigenvectors,
    with the affine part projected out, are the smoothest displacements: a thin-plate regression
    spline (Wood 2003, J. R. Stat. Soc. B 65, 95). The first of them bend a worm into a C and an
    S, which is what a crawling worm does.

    Parameters
    ----------
    points : (m, 3) array
        In the body frame, µm.
    modes : int
        At most m - 4 are used.
    """
    x = torch.as_tensor(points, dtype=torch.float64)
    count = len(x)
    kept = max(0, min(modes, count - 4))
    affine = torch.linalg.qr(torch.cat([torch.ones(count, 1), x / LENGTH_UM], dim=1))[0]
    rest = torch.eye(count) - affine @ affine.T
    energy, vectors = torch.linalg.eigh(-rest @ torch.cdist(x, x) @ rest)
    smooth = vectors.flip(1)[:, :kept]
    columns = torch.cat([affine, smooth], dim=1) * count**0.5
    bending = count / energy.flip(0)[:kept].clamp(min=LEAST_ENERGY)
    linear = torch.full((affine.shape[1],), AFFINE_ENERGY)
    linear[:1] = 0.0
    total = torch.cat([linear, bending])
    return Bendable(
        x.float()[None], torch.ones(1, count), columns.float()[None], total.float()[None]
    )


def stack(templates: list[Bendable]) -> Bendable:
    """Pad templates of different size into one batch; a padded mode has no columns."""
    rows = max(item.points.shape[1] for item in templates)
    width = max(item.energy.shape[1] for item in templates)

    def padded(tensor: torch.Tensor, *sizes: int) -> torch.Tensor:
        full = torch.zeros(1, *sizes)
        full[tuple(slice(0, size) for size in tensor.shape)] = tensor
        return full

    return Bendable(
        torch.cat([padded(item.points, rows, 3) for item in templates]),
        torch.cat([padded(item.real, rows) for item in templates]),
        torch.cat([padded(item.columns, rows, width) for item in templates]),
        torch.cat([padded(item.energy, width) for item in templates]),
    )
