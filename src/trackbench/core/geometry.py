"""Fits between point sets with known partners: rigid, affine, thin plate; principal axes.

Points are rows, (n, 3), in micrometres or any other common unit; nothing here depends on which
axis is which. A fit takes `source` and `target` rows that belong together.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

FloatArray = NDArray[np.floating[Any]]


@dataclass(frozen=True, eq=False)
class AffineMap:
    """A map `x -> matrix @ x + offset`.

    Parameters
    ----------
    matrix : ndarray, (3, 3)
    offset : ndarray, (3,)
    """

    matrix: FloatArray
    offset: FloatArray

    def __call__(self, points: ArrayLike) -> FloatArray:
        """Map points, shape (..., 3)."""
        return np.asarray(points, dtype=np.float64) @ self.matrix.T + self.offset

    def after(self, first: AffineMap) -> AffineMap:
        """Compose: the map that applies `first`, then this one."""
        return AffineMap(self.matrix @ first.matrix, self.matrix @ first.offset + self.offset)

    def inverse(self) -> AffineMap:
        """Invert the map; numpy.linalg.LinAlgError if it is singular."""
        inverse = np.linalg.inv(self.matrix)
        return AffineMap(inverse, -inverse @ self.offset)


IDENTITY_MAP = AffineMap(np.eye(3), np.zeros(3))


def fit_rigid(
    source: ArrayLike,
    target: ArrayLike,
    weights: ArrayLike | None = None,
    *,
    scaled: bool = False,
) -> AffineMap:
    """Fit the proper rotation and the shift that bring `source` onto `target`.

    Least squares by singular value decomposition (Umeyama 1991, equations 40 to 43); never a
    reflection.

    Parameters
    ----------
    source, target : array_like, (n, 3)
    weights : array_like, (n,), optional
        Non-negative; equal when left out.
    scaled : bool
        Fit one common scale factor too.

    Returns
    -------
    AffineMap
    """
    x, y, w = _weighted(source, target, weights)
    x_mean, y_mean = w @ x, w @ y
    x_centred, y_centred = x - x_mean, y - y_mean
    u, singular, vt = np.linalg.svd((y_centred * w[:, None]).T @ x_centred)
    signs = np.array([1.0, 1.0, np.sign(np.linalg.det(u @ vt)) or 1.0])
    rotation = (u * signs) @ vt
    if scaled:
        spread = float(w @ np.square(x_centred).sum(axis=1))
        rotation = rotation * (float(singular @ signs) / max(spread, 1e-12))
    return AffineMap(rotation, y_mean - rotation @ x_mean)


def fit_affine(
    source: ArrayLike,
    target: ArrayLike,
    weights: ArrayLike | None = None,
    *,
    ridge: float = 0.0,
) -> AffineMap:
    """Fit an affine map, drawn towards the best rigid one.

    Minimises `sum_i w_i |A x_i + t - y_i|^2 + ridge |A - R|^2` with the weights summing to
    one and R the rotation of `fit_rigid`.

    Parameters
    ----------
    source, target : array_like, (n, 3)
    weights : array_like, (n,), optional
    ridge : float
        In squared units of the source; a value well below the variance of the cloud along
        its shortest axis only steadies a fit on few points.

    Returns
    -------
    AffineMap
    """
    x, y, w = _weighted(source, target, weights)
    rotation = fit_rigid(x, y, w).matrix
    x_mean, y_mean = w @ x, w @ y
    x_weighted = (x - x_mean) * w[:, None]
    moment = x_weighted.T @ (x - x_mean) + ridge * np.eye(3)
    cross = x_weighted.T @ (y - y_mean) + ridge * rotation.T
    matrix = np.linalg.lstsq(moment, cross, rcond=None)[0].T
    return AffineMap(matrix, y_mean - matrix @ x_mean)


@dataclass(frozen=True, eq=False)
class ThinPlate:
    """A smooth map in three dimensions: an affine part and one kernel |r| a control point.

    Parameters
    ----------
    control : ndarray, (n, 3)
    bend : ndarray, (n, 3)
        Kernel coefficients.
    affine : AffineMap
    """

    control: FloatArray
    bend: FloatArray
    affine: AffineMap

    def __call__(self, points: ArrayLike) -> FloatArray:
        """Map points, shape (m, 3)."""
        x = np.asarray(points, dtype=np.float64)
        return distances(x, self.control) @ self.bend + self.affine(x)


def fit_thin_plate(source: ArrayLike, target: ArrayLike, *, smoothing: float = 0.0) -> ThinPlate:
    """Fit the thin-plate spline that takes `source` to `target`.

    The spline of least bending energy (Duchon 1977; in three dimensions the kernel is |r|),
    with `smoothing` times the identity added to the kernel matrix (Wahba 1990, chapter 2).

    Parameters
    ----------
    source, target : array_like, (n, 3), n >= 4
        The source points must not lie in one plane.
    smoothing : float
        In units of length; 0 interpolates, large values leave an affine map.

    Returns
    -------
    ThinPlate
    """
    x = np.asarray(source, dtype=np.float64)
    y = np.asarray(target, dtype=np.float64)
    count = len(x)
    system = np.zeros((count + 4, count + 4))
    system[:count, :count] = distances(x, x) - smoothing * np.eye(count)
    system[:count, count] = system[count, :count] = 1.0
    system[:count, count + 1 :] = x
    system[count + 1 :, :count] = x.T
    solution = np.linalg.lstsq(system, np.vstack([y, np.zeros((4, 3))]), rcond=None)[0]
    affine = AffineMap(solution[count + 1 :].T, solution[count])
    return ThinPlate(x, solution[:count], affine)


def distances(first: ArrayLike, second: ArrayLike) -> FloatArray:
    """Euclidean distances, shape (n, m), between (n, 3) and (m, 3) points."""
    a = np.asarray(first, dtype=np.float64)
    b = np.asarray(second, dtype=np.float64)
    squared = np.square(a).sum(1)[:, None] + np.square(b).sum(1)[None] - 2.0 * (a @ b.T)
    lengths: FloatArray = np.sqrt(np.maximum(squared, 0.0))
    return lengths


def principal_axes(points: ArrayLike) -> FloatArray:
    """Proper rotation (3, 3) whose rows are the principal axes, the longest last.

    The signs are arbitrary but for the determinant, which is +1.
    """
    x = np.asarray(points, dtype=np.float64)
    return centred_axes(x - x.mean(axis=0))


def centred_axes(points: FloatArray) -> FloatArray:
    """Give the `principal_axes` of points (n, 3) whose mean is 0."""
    axes: FloatArray = np.linalg.eigh(points.T @ points)[1].T
    if np.linalg.det(axes) < 0:
        axes[0] = -axes[0]
    return axes


def pose_starts(zyx_um: FloatArray, rolls: int) -> FloatArray:
    """Turn a worm into all start poses: principal axes, both head directions, `rolls` rolls.

    Parameters
    ----------
    zyx_um : ndarray, (n, 3)
    rolls : int

    Returns
    -------
    ndarray, (2 * rolls, n, 3)
        Centred by the median; the longest axis last.
    """
    axes = principal_axes(zyx_um)
    centred = (zyx_um - np.median(zyx_um, axis=0)) @ axes.T
    turns = []
    for roll in np.arange(rolls) * 2.0 * np.pi / rolls:
        cos, sin = np.cos(roll), np.sin(roll)
        about = np.array([[cos, -sin, 0.0], [sin, cos, 0.0], [0.0, 0.0, 1.0]])
        turns += [about, about @ np.diag([-1.0, 1.0, -1.0])]
    return np.stack([centred @ turn.T for turn in turns])


def _weighted(
    source: ArrayLike, target: ArrayLike, weights: ArrayLike | None
) -> tuple[FloatArray, FloatArray, FloatArray]:
    x = np.asarray(source, dtype=np.float64)
    y = np.asarray(target, dtype=np.float64)
    w = np.ones(len(x)) if weights is None else np.asarray(weights, dtype=np.float64)
    return x, y, w / w.sum()
