"""Smooth deformations of a worm: fitted to points, applied to points and to image volumes.

A deformation is any callable that maps points (n, 3) in µm (z, y, x) to points: an
`AffineMap` or `ThinPlate` of `core.geometry`, the `InPlane` field of this module, or a part of
one (`part_way`). An image is warped backward: the deformation takes each place of the new image
to the place of the old one whose value it gets, so that a whole chain costs one interpolation.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import numpy as np

from trackbench.core.geometry import AffineMap

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import ArrayLike, NDArray
    from torch import Tensor

    FloatArray: TypeAlias = NDArray[np.floating[Any]]
    Deformation: TypeAlias = Callable[[FloatArray], FloatArray]

__all__ = [
    "InPlane",
    "WaveField",
    "chain",
    "fit_in_plane",
    "fit_soft",
    "inverse",
    "part_way",
    "sampling_grid",
    "warp",
]

LARGEST_WAVE: Final = 2.5
"""Longest integer wave vector: with it 21 functions, the constant included (Park et al. 2023)."""

MARGIN: Final = 0.25
"""Part of the points' extent that is added on each side, so that the field need not repeat."""

LATTICE_VOXELS: Final = 4
"""A volume's deformation is computed at every fourth voxel and interpolated between them."""

DEPTH_UM: Final = 10.0
DEPTH_STIFFNESS: Final = 10.0
LINEAR_STIFFNESS: Final = 0.02
"""Penalties of the terms that grow with z, and of the linear ones, beside that of the waves."""

SOFT_WIDTHS_UM: Final = (4.0, 3.0, 2.0, 1.5)
SOFT_STIFFNESSES: Final = (0.02, 0.01, 0.005, 0.003)
SOFT_TURNS: Final = 5
OUTLIER_SQUARE: Final = 9.0
"""A point three widths away from every place is nobody's."""

INVERSE_STEPS: Final = 12
REWEIGHTINGS: Final = 12


@dataclass(frozen=True, eq=False)
class WaveField:
    """A displacement that varies slowly in the plane, and at most linearly along z.

    Parameters
    ----------
    centre_um : (3,) array
        Where z counts from, and the phase of all waves is 0.
    period_um : float
        Wavelength of the first wave.
    waves : (m, 2) array
        Integer wave vectors (y, x), one of each pair of opposite ones.
    coefficients : (4 + 4 m, 3) array
        Displacement z, y, x in µm of the functions of `basis`.
    """

    centre_um: FloatArray
    period_um: float
    waves: FloatArray
    coefficients: FloatArray

    def __call__(self, points: FloatArray) -> FloatArray:
        """Move points (n, 3)."""
        moved: FloatArray = points + self.basis(points) @ self.coefficients
        return moved

    def basis(self, points: FloatArray) -> FloatArray:
        """Values (n, 4 + 4 m) of the functions at points (n, 3).

        The constant, z, y, x; cosines and sines; the same times z, in units of 10 µm.
        """
        place = points - self.centre_um
        phase = 2 * np.pi / self.period_um * place[:, 1:] @ self.waves.T
        waves = np.hstack([np.cos(phase), np.sin(phase)])
        ones = np.ones((len(points), 1))
        return np.hstack([ones, place / self.period_um, waves, place[:, :1] / DEPTH_UM * waves])


@dataclass(frozen=True, eq=False)
class InPlane:
    """A rotation in the plane with a shift, then a wave field."""

    rigid: AffineMap
    field: WaveField

    def __call__(self, points: FloatArray) -> FloatArray:
        """Move points (n, 3)."""
        return self.field(self.rigid(points))


def fit_in_plane(
    source: ArrayLike,
    target: ArrayLike,
    weights: ArrayLike | None = None,
    *,
    stiffness: float = 0.005,
    tolerance_um: float = 3.0,
) -> InPlane:
    """Fit a smooth deformation to pairs of points of which some are wrong.

    First an in-plane rotation with a shift, then a ridge fit, in closed form, of low-frequency
    cosines and sines, whose penalty grows with the squared wave number: the field of Park et al.
    2023, which they fit by 1200 steps of descent. Unlike theirs it has a linear part and terms
    that grow with z, because a worm rolls about its long axis: given true partners, a field
    without them brings half of the neurons of targettrack's frame A to within 2.6 µm of those of
    frame C, one with them 97 %.

    Both fits are repeated with Huber's weights and then with Cauchy's,
    1 / (1 + (residual / tolerance)^2), so that wrong pairs lose their say.

    Parameters
    ----------
    source, target : array_like, (n, 3)
        Points in µm (z, y, x), n >= 2, and where they belong.
    weights : array_like, (n,), optional
        Confidence in each pair.
    stiffness : float
        Factor of the penalty; large values leave the rigid part.
    tolerance_um : float
        Residual above which a pair counts less.

    Returns
    -------
    InPlane
    """
    x = np.asarray(source, dtype=np.float64)
    y = np.asarray(target, dtype=np.float64)
    prior = np.ones(len(x)) if weights is None else np.asarray(weights, dtype=np.float64)
    rigid = _robust(lambda w: _fit_rigid(x, y, w), x, y, prior, tolerance_um)
    turned = rigid(x)
    fit = _fit_waves(turned, y, stiffness)
    return InPlane(rigid, _robust(fit, turned, y, prior, tolerance_um))


def fit_soft(
    found: ArrayLike,
    log_prior: ArrayLike,
    places: ArrayLike,
    start: Deformation,
    *,
    widths_um: Sequence[float] = SOFT_WIDTHS_UM,
    stiffnesses: Sequence[float] = SOFT_STIFFNESSES,
) -> Deformation:
    """Fit a smooth deformation to points whose partners are only guessed.

    Expectation maximisation as in coherent point drift (Myronenko and Song 2010), with the field
    of `fit_in_plane` and a guess of each point's identity as prior: a point's partner is where it
    is carried to and what it is said to be, so that a frame may be matched although most of the
    guesses are wrong by a neighbour.

    Parameters
    ----------
    found : array_like, (n, 3)
        Points in µm (z, y, x).
    log_prior : array_like, (n, m + 1)
        Logarithm of the probability that a point is each of the places; last: none of them.
    places : array_like, (m, 3)
        Where they belong.
    start : callable
        A first deformation.
    widths_um, stiffnesses : sequence of float
        Of the correspondence and of the field, round by round.

    Returns
    -------
    callable
    """
    x = np.asarray(found, dtype=np.float64)
    y = np.asarray(places, dtype=np.float64)
    prior = np.asarray(log_prior, dtype=np.float64)
    deformation = start
    for width, stiffness in zip(widths_um, stiffnesses, strict=True):
        for _ in range(SOFT_TURNS):
            square = np.square((deformation(x)[:, None] - y) / width).sum(axis=2)
            none = np.full((len(x), 1), OUTLIER_SQUARE)
            partner = _softmax(prior - 0.5 * np.hstack([square, none]))[:, :-1]
            weight = partner.sum(axis=1) + 1e-6
            target = partner @ y / weight[:, None]
            rigid = _fit_rigid(x, target, weight)
            deformation = InPlane(rigid, _fit_waves(rigid(x), target, stiffness)(weight))
    return deformation


def part_way(deformation: Deformation, share: float) -> Deformation:
    """Give the deformation that goes `share` of the way."""

    def moved(points: FloatArray) -> FloatArray:
        result: FloatArray = points + share * (deformation(points) - points)
        return result

    return moved


def chain(*deformations: Deformation) -> Deformation:
    """Give the deformation that applies the first one first."""

    def moved(points: FloatArray) -> FloatArray:
        for deformation in deformations:
            points = deformation(points)
        return points

    return moved


def inverse(deformation: Deformation, points: FloatArray) -> FloatArray:
    """Find the places (n, 3) that a smooth deformation takes to `points` (n, 3).

    By fixed-point steps, which end where the deformation bends by less than its own length.
    """
    places = points
    for _ in range(INVERSE_STEPS):
        places = places - (deformation(places) - points)
    return places


def sampling_grid(
    deformation: Deformation,
    shape: tuple[int, int, int],
    voxel_um: ArrayLike,
) -> Tensor:
    """Say where each voxel of a warped volume gets its value from.

    Parameters
    ----------
    deformation : callable
        From places (n, 3) in the new volume to places in the old one, in µm from voxel (0, 0, 0).
    shape : (z, y, x)
        Of both volumes.
    voxel_um : (3,) array_like
        Pitch.

    Returns
    -------
    Tensor, (1, z, y, x, 3)
        As `torch.nn.functional.grid_sample` wants it: x, y, z from -1 to 1 at the outer voxels'
        centres.
    """
    import torch

    ends = np.maximum(np.asarray(shape) - 1, 1)
    nodes = [np.linspace(0, n - 1, max(2, -(-n // LATTICE_VOXELS))) for n in shape]
    lattice = np.stack(np.meshgrid(*nodes, indexing="ij"), axis=-1)
    pitch = np.asarray(voxel_um, dtype=np.float64)
    moved = deformation(lattice.reshape(-1, 3) * pitch).reshape(lattice.shape) / pitch
    scaled = torch.from_numpy((2 * moved / ends - 1)[..., ::-1].astype(np.float32))
    full = torch.nn.functional.interpolate(
        scaled.permute(3, 0, 1, 2)[None], size=shape, mode="trilinear", align_corners=True
    )
    return full.permute(0, 2, 3, 4, 1)


def warp(volume: Tensor, grid: Tensor, *, labels: bool = False) -> Tensor:
    """Warp a volume (c, z, y, x) by a sampling grid; what comes from outside is 0.

    Parameters
    ----------
    volume : Tensor
        Float, or whole numbers if `labels`.
    grid : Tensor
        From `sampling_grid`.
    labels : bool
        Take the nearest voxel's value instead of an interpolated one.
    """
    import torch

    sampled = torch.nn.functional.grid_sample(
        volume[None].float(),
        grid,
        mode="nearest" if labels else "bilinear",
        padding_mode="zeros",
        align_corners=True,
    )
    return sampled[0].to(volume.dtype)


def _fit_rigid(x: FloatArray, y: FloatArray, w: FloatArray) -> AffineMap:
    """Least-squares rotation about z with a shift."""
    share = w / w.sum()
    x_mean, y_mean = share @ x, share @ y
    a, b = x - x_mean, y - y_mean
    cosine = share @ (a[:, 1] * b[:, 1] + a[:, 2] * b[:, 2])
    sine = share @ (a[:, 1] * b[:, 2] - a[:, 2] * b[:, 1])
    size = np.hypot(cosine, sine)
    cos, sin = (cosine / size, sine / size) if size > 0 else (1.0, 0.0)
    matrix = np.array([[1.0, 0.0, 0.0], [0.0, cos, -sin], [0.0, sin, cos]])
    return AffineMap(matrix, y_mean - matrix @ x_mean)


def _fit_waves(x: FloatArray, y: FloatArray, stiffness: float) -> Callable[[FloatArray], WaveField]:
    """Give the ridge fit of a wave field as a function of the weights (n,)."""
    empty = _empty_field(x)
    basis = empty.basis(x)
    square = stiffness * np.tile(np.square(empty.waves).sum(axis=1), 2)
    linear = [LINEAR_STIFFNESS * stiffness] * 3
    penalty = np.diag(np.r_[0.0, linear, square, DEPTH_STIFFNESS * square] + 1e-9)

    def fit(weights: FloatArray) -> WaveField:
        weighted = basis * (weights / weights.sum())[:, None]
        coefficients = np.linalg.solve(basis.T @ weighted + penalty, weighted.T @ (y - x))
        return WaveField(empty.centre_um, empty.period_um, empty.waves, coefficients)

    return fit


def _softmax(scores: FloatArray) -> FloatArray:
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    shares: FloatArray = powers / powers.sum(axis=1, keepdims=True)
    return shares


def _empty_field(points: FloatArray) -> WaveField:
    low, high = points.min(axis=0), points.max(axis=0)
    period = max(float((high - low)[1:].max()), 1e-6) * (1 + 2 * MARGIN)
    reach = int(LARGEST_WAVE)
    waves = np.array(
        [
            (i, j)
            for i in range(reach + 1)
            for j in range(-reach, reach + 1)
            if 0 < i * i + j * j <= LARGEST_WAVE**2 and (i > 0 or j > 0)
        ],
        dtype=np.float64,
    )
    coefficients = np.zeros((4 + 4 * len(waves), 3))
    return WaveField((low + high) / 2, period, waves, coefficients)


def _robust(
    fit: Callable[[FloatArray], Any],
    x: FloatArray,
    y: FloatArray,
    prior: FloatArray,
    tolerance_um: float,
) -> Any:
    """Repeat a weighted fit: Huber's weights first, then Cauchy's."""
    fitted = fit(prior)
    for turn in range(REWEIGHTINGS):
        residual = np.linalg.norm(fitted(x) - y, axis=1) / tolerance_um
        huber = turn < REWEIGHTINGS // 2
        share = 1 / np.maximum(residual, 1) if huber else 1 / (1 + np.square(residual))
        fitted = fit(prior * share)
    return fitted
