"""The coherent point drift baseline of Yu et al. 2021 with its own settings, for comparison.

One start, no search: the worms must already lie the same way. Settings and formulas are those
of the published script (eLife 10:e66410), its peculiarities included, because they are part of
the published numbers: the test moves, the template stays; the rigid step turns in the plane of
the image only, and its variance comes from the plane alone by the formula of a free scale.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
from scipy.optimize import linear_sum_assignment

if TYPE_CHECKING:
    from numpy.typing import NDArray

    FloatArray = NDArray[np.float64]
    Points = NDArray[np.floating]

__all__ = ["register", "squared_distances", "yu2021_pairs"]

UNIT_UM: Final = 84.0
W: Final = 0.1
BETA: Final = 0.25
LAMBDA: Final = 4000.0
RIGID_STEPS: Final = 250
BEND_STEPS: Final = 150
RIGID_VARIANCE: Final = 1e-7
BEND_VARIANCE: Final = 1e-5


def yu2021_pairs(template: Points, test: Points) -> list[tuple[int, int]]:
    """Match by the published baseline: register, then assign on squared distances.

    Parameters
    ----------
    template, test : (n, 3), (m, 3) arrays
        In µm, z, y, x.

    Returns
    -------
    list of (row of the test, row of the template)
        min(m, n) pairs: the baseline has no outlier class.
    """
    if not len(template) or not len(test):
        return []
    fixed, moved = register(template, test)
    rows, columns = linear_sum_assignment(squared_distances(moved, fixed))
    return [(int(i), int(j)) for i, j in zip(rows, columns, strict=True)]


def register(template: Points, test: Points, *, bend: bool = True) -> tuple[FloatArray, FloatArray]:
    """Give the template and the registered test in units of 84 µm, x, y, z."""
    fixed, moving = _units(template), _units(test)
    moved = _rigid(fixed, moving)
    return fixed, _bend(fixed, moved) if bend else moved


def squared_distances(first: FloatArray, second: FloatArray) -> FloatArray:
    """Give squared distances (n, m)."""
    squared: FloatArray = np.square(first[:, None] - second[None]).sum(axis=2)
    return squared


def _units(points: Points) -> FloatArray:
    xyz = points[:, ::-1].astype(np.float64)
    return (xyz - np.median(xyz, axis=0)) / UNIT_UM


def _first_variance(fixed: FloatArray, moving: FloatArray) -> float:
    return float(squared_distances(fixed, moving).mean() / 3)


def _posterior(
    fixed: FloatArray, moved: FloatArray, variance: float, dimensions: int
) -> FloatArray:
    """Give the posterior (m, n) of each fixed point (column) over the moving ones."""
    m, n = len(moved), len(fixed)
    kernel = np.exp(-squared_distances(moved, fixed) / (2 * variance))
    outlier = (2 * np.pi * variance) ** (dimensions / 2) * W / (1 - W) * m / n
    posterior: FloatArray = kernel / (kernel.sum(axis=0) + outlier)
    return posterior


def _rigid(fixed: FloatArray, moving: FloatArray) -> FloatArray:
    """Turn in the plane and shift in space (Myronenko and Song 2010, figure 2, in the plane)."""
    moved, variance, dimensions = moving, _first_variance(fixed, moving), 3
    for _ in range(RIGID_STEPS):
        p = _posterior(fixed, moved, variance, dimensions)
        mass = max(float(p.sum()), np.finfo(float).tiny)
        fixed_mean = p.sum(axis=0) @ fixed / mass
        moving_mean = p.sum(axis=1) @ moving / mass
        x, y = (fixed - fixed_mean)[:, :2], (moving - moving_mean)[:, :2]
        cross = x.T @ p.T @ y
        u, _, vt = np.linalg.svd(cross)
        rotation = np.eye(3)
        rotation[:2, :2] = u @ np.diag([1.0, np.linalg.det(u @ vt)]) @ vt
        moved = (moving - moving_mean) @ rotation.T + fixed_mean
        spread = float(p.sum(axis=0) @ np.square(x).sum(axis=1))
        variance = abs(spread - float((cross * rotation[:2, :2]).sum())) / (2 * mass)
        dimensions = 2
        if variance <= RIGID_VARIANCE:
            break
    return moved


def _bend(fixed: FloatArray, moving: FloatArray) -> FloatArray:
    """Move by a smooth field (Myronenko and Song 2010, figure 4)."""
    kernel = np.exp(-squared_distances(moving, moving) / (2 * BETA**2))
    moved, variance = moving, _first_variance(fixed, moving)
    for _ in range(BEND_STEPS):
        p = _posterior(fixed, moved, variance, 3)
        weight, mass = p.sum(axis=1), max(float(p.sum()), np.finfo(float).tiny)
        system = weight[:, None] * kernel + LAMBDA * variance * np.eye(len(moving))
        moved = moving + kernel @ np.linalg.solve(system, p @ fixed - weight[:, None] * moving)
        spread = p.sum(axis=0) @ np.square(fixed).sum(axis=1)
        spread += weight @ np.square(moved).sum(axis=1) - 2 * float(((p @ fixed) * moved).sum())
        variance = abs(float(spread)) / (3 * mass)
        if variance <= BEND_VARIANCE:
            break
    return moved
