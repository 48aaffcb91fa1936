"""Train worms in the atlas frame, with everything that the augmentation looks up.

For each ordered pair of worms the bank holds smooth displacement fields that carry the first
towards the second, so that drawing a sample costs no fit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from trackbench.core.atlas import (
    ALIGN_RIDGE_UM2,
    NamedPoints,
    align_to_means,
    anatomical_means,
    color_of,
    gaussians_by_name,
)
from trackbench.core.color import compressed_color
from trackbench.core.geometry import FloatArray, fit_thin_plate

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

SMOOTHINGS_UM: Final = (3.0, 30.0, 300.0)
"""Smoothing of the fields: nearly exact, regional, and only the coarse shape."""

FEWEST_SHARED: Final = 20
"""Pairs of worms that share fewer names get no field."""

FIELD_LIMIT_UM: Final = 25.0
"""A field is cut to this length: splines run away outside the shared names."""


@dataclass(frozen=True, eq=False)
class BankWorm:
    """One worm of the bank.

    Parameters
    ----------
    zyx_um : ndarray, (n, 3)
        In the atlas frame.
    index : ndarray of int, (n,)
        Name, -1 where unlabeled.
    color : ndarray, (n, 3)
        Scaled within the worm (`core.color.scaled_color`).
    rows : ndarray of int, (name_count,)
        Row of each name, -1 where the worm lacks it.
    towards : ndarray of int, (p,)
        Worms that this one has fields to.
    fields : ndarray, (p, len(SMOOTHINGS_UM), n, 3)
        Displacements, µm.
    residuals : ndarray, (p, n, 3)
        What the coarsest field leaves of the way to the same name; NaN without partner.
    own : ndarray, (n, 3)
        What a coarse field to the atlas leaves of each named neuron's deviation from its mean
        place; 0 where unlabeled.
    """

    zyx_um: FloatArray
    index: NDArray[np.int64]
    color: FloatArray
    rows: NDArray[np.int64]
    towards: NDArray[np.int64]
    fields: NDArray[np.float32]
    residuals: NDArray[np.float32]
    own: FloatArray


@dataclass(frozen=True, eq=False)
class Bank:
    """All train worms and their mean positions.

    Parameters
    ----------
    names : tuple of str
    means : ndarray, (name_count, 3)
        Atlas positions, µm; anatomical axes.
    worms : tuple of BankWorm
    scatter : ndarray, (name_count, 3, 3)
        Cholesky factors of the covariance of `BankWorm.own` over worms, µm.
    color : ndarray, (name_count, 3)
        Mean compressed colors.
    color_scatter : ndarray, (name_count, 3, 3)
        Cholesky factors of the covariance of compressed colors.
    """

    names: tuple[str, ...]
    means: FloatArray
    worms: tuple[BankWorm, ...]
    scatter: FloatArray
    color: FloatArray
    color_scatter: FloatArray


def build_bank(worms: Sequence[NamedPoints], names: Sequence[str]) -> Bank:
    """Align labeled worms to their own atlas and fit all pairwise fields.

    Parameters
    ----------
    worms : sequence of NamedPoints
        With the anatomy's handedness; `color` scaled within the worm.
    names : sequence of str
    """
    means = anatomical_means(worms, names)
    aligned = [
        NamedPoints(
            align_to_means(worm, means, ridge=ALIGN_RIDGE_UM2)(worm.zyx_um), worm.index, worm.color
        )
        for worm in worms
    ]
    rows = [_rows_by_name(worm, len(names)) for worm in aligned]
    own = [_own_residual(worm, means) for worm in aligned]
    colors = [compressed_color(color_of(worm)) for worm in aligned]
    color, color_cov = gaussians_by_name(colors, aligned, len(names))
    return Bank(
        tuple(names),
        means,
        tuple(_with_fields(i, aligned, rows, own[i]) for i in range(len(aligned))),
        np.linalg.cholesky(gaussians_by_name(own, aligned, len(names))[1]),
        color,
        np.linalg.cholesky(color_cov),
    )


def _own_residual(worm: NamedPoints, means: FloatArray) -> FloatArray:
    named, target = worm.named, means[worm.index[worm.named]]
    residual = np.zeros_like(worm.zyx_um)
    fit = fit_thin_plate(worm.zyx_um[named], target, smoothing=SMOOTHINGS_UM[-1])
    residual[named] = fit(worm.zyx_um[named]) - target
    return residual


def _rows_by_name(worm: NamedPoints, name_count: int) -> NDArray[np.int64]:
    rows = np.full(name_count, -1)
    rows[worm.index[worm.named]] = worm.named
    return rows


def _with_fields(
    i: int, worms: Sequence[NamedPoints], rows: Sequence[NDArray[np.int64]], own: FloatArray
) -> BankWorm:
    worm = worms[i]
    towards, fields, residuals = [], [], []
    for j, other in enumerate(worms):
        shared = np.flatnonzero((rows[i] >= 0) & (rows[j] >= 0))
        if j == i or len(shared) < FEWEST_SHARED:
            continue
        mine, theirs = rows[i][shared], rows[j][shared]
        source, target = worm.zyx_um[mine], other.zyx_um[theirs]
        moves = [
            _limited(fit_thin_plate(source, target, smoothing=s)(worm.zyx_um) - worm.zyx_um)
            for s in SMOOTHINGS_UM
        ]
        left = np.full(worm.zyx_um.shape, np.nan)
        left[mine] = target - source - moves[-1][mine]
        towards.append(j)
        fields.append(moves)
        residuals.append(left)
    shape = (0, len(SMOOTHINGS_UM), len(worm.zyx_um), 3)
    return BankWorm(
        worm.zyx_um,
        worm.index,
        color_of(worm),
        rows[i],
        np.array(towards, dtype=np.int64),
        np.array(fields, dtype=np.float32) if fields else np.zeros(shape, np.float32),
        np.array(residuals, dtype=np.float32) if fields else np.zeros((0, shape[2], 3), np.float32),
        own,
    )


def _limited(field: FloatArray) -> FloatArray:
    length = np.linalg.norm(field, axis=1, keepdims=True)
    limited: FloatArray = field * np.minimum(1.0, FIELD_LIMIT_UM / np.maximum(length, 1e-9))
    return limited
