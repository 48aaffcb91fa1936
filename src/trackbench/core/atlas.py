"""A statistical atlas: for each neuron name the mean and covariance of its position and color.

The atlas frame is anatomical: axis order z, y, x = left to right, dorsal to ventral, anterior to
posterior, in micrometres, with the anatomy's handedness. It comes from the labeled worms alone,
by generalized Procrustes analysis (Gower 1975) over the names that they share.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from trackbench.core.color import scaled_color
from trackbench.core.geometry import AffineMap, FloatArray, fit_affine, fit_rigid

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from trackbench.core.types import PointCloud

ALIGN_RIDGE_UM2 = 4.0
"""Pull of the affine fit towards the rigid one, against a shortest variance of about 40 µm²."""


FEWEST_WORMS: Final = 2
"""Names that fewer worms carry are left out of an atlas."""

PRIOR_WORMS: Final = 6.0
"""Weight of the pooled covariance in that of each name."""


@dataclass(frozen=True, eq=False)
class NamedPoints:
    """One labeled worm as the atlas fit takes it.

    Parameters
    ----------
    zyx_um : ndarray, (n, 3)
        With the anatomy's handedness (a mirrored recording has one axis negated).
    index : ndarray of int, (n,)
        Position of each neuron's name in the list of names, -1 where unlabeled.
    color : ndarray, (n, c), or None
        Normalised colors.
    """

    zyx_um: FloatArray
    index: NDArray[np.int64]
    color: FloatArray | None = None

    @property
    def named(self) -> NDArray[np.int64]:
        """Rows that carry a name."""
        return np.flatnonzero(self.index >= 0)


def common_names(clouds: Iterable[PointCloud], fewest: int = FEWEST_WORMS) -> tuple[str, ...]:
    """Names that at least `fewest` clouds carry, sorted."""
    count = Counter(name for cloud in clouds for name in cloud.names or () if name)
    return tuple(sorted(name for name, worms in count.items() if worms >= fewest))


def named_points(cloud: PointCloud, names: Sequence[str]) -> NamedPoints:
    """Take a labeled cloud for an atlas: unmirrored, names as indices, color scaled.

    Parameters
    ----------
    cloud : PointCloud
        One whose handedness isn't known counts as not mirrored.
    names : sequence of str
        Other names count as unlabeled.
    """
    column = {name: i for i, name in enumerate(names)}
    sign = np.array([-1.0 if cloud.mirrored else 1.0, 1.0, 1.0])
    index = [column.get(name, -1) for name in cloud.names or ("",) * len(cloud)]
    color = None if cloud.color is None else scaled_color(cloud.color)
    return NamedPoints(cloud.zyx_um * sign, np.array(index, dtype=np.int64), color)


def align_to_means(worm: NamedPoints, means: FloatArray, *, ridge: float) -> AffineMap:
    """Fit the affine map from a labeled worm to the means of its names.

    Parameters
    ----------
    worm : NamedPoints
    means : ndarray, (k, 3)
        NaN rows (names without a mean) are left out.
    ridge : float
        As in `fit_affine`; infinite gives a rigid fit.
    """
    rows = worm.named
    rows = rows[np.isfinite(means[worm.index[rows], 0])]
    source, target = worm.zyx_um[rows], means[worm.index[rows]]
    return fit_rigid(source, target) if np.isinf(ridge) else fit_affine(source, target, ridge=ridge)


def procrustes_means(
    worms: Sequence[NamedPoints],
    name_count: int,
    *,
    rounds: int = 8,
    ridge: float = ALIGN_RIDGE_UM2,
) -> FloatArray:
    """Mean position of every name, in the frame of the worm with most names.

    Parameters
    ----------
    worms : sequence of NamedPoints
    name_count : int
    rounds : int
        Rounds of {align every worm to the means, average}; the first half aligns rigidly.
    ridge : float
        Of the affine alignment, µm².

    Returns
    -------
    ndarray, (name_count, 3)
        NaN for names that no worm carries. The size and shape are held at the mean over worms,
        so the affine fits cannot shrink the atlas.
    """
    first = max(worms, key=lambda worm: len(worm.named))
    means = np.full((name_count, 3), np.nan)
    means[first.index[first.named]] = first.zyx_um[first.named]
    for turn in range(rounds):
        pull = np.inf if turn < rounds // 2 else ridge
        maps = [align_to_means(worm, means, ridge=pull) for worm in worms]
        moved = [fit(worm.zyx_um) for fit, worm in zip(maps, worms, strict=True)]
        means = mean_by_name(moved, worms, name_count)
        stretch = np.mean([_stretch(fit.matrix) for fit in maps], axis=0)
        means = means @ np.linalg.inv(stretch).T
    centred: FloatArray = means - np.nanmedian(means, axis=0)
    return centred


def anatomical_means(worms: Sequence[NamedPoints], names: Sequence[str]) -> FloatArray:
    """Mean position of every name, in the anatomical frame, origin at their median.

    Parameters
    ----------
    worms : sequence of NamedPoints
    names : sequence of str

    Returns
    -------
    ndarray, (len(names), 3)
    """
    means = procrustes_means(worms, len(names))
    return means @ anatomical_rotation(means, names).T


def mean_by_name(
    values: Sequence[FloatArray], worms: Sequence[NamedPoints], name_count: int
) -> FloatArray:
    """Average the rows of every worm by name; (name_count, d), NaN where no worm has the name."""
    total = np.zeros((name_count, values[0].shape[1]))
    count = np.zeros((name_count, 1))
    for rows, worm in zip(values, worms, strict=True):
        np.add.at(total, worm.index[worm.named], rows[worm.named])
        np.add.at(count, worm.index[worm.named], 1.0)
    with np.errstate(invalid="ignore"):
        return np.where(count > 0, total / count, np.nan)


def gaussians_by_name(
    values: Sequence[FloatArray], worms: Sequence[NamedPoints], name_count: int
) -> tuple[FloatArray, FloatArray]:
    """Mean and shrunken covariance of every name's values over worms.

    A name's scatter is averaged with the pooled covariance, which counts as `PRIOR_WORMS`
    worms, so that a name seen once has the pooled one.

    Parameters
    ----------
    values : sequence of ndarray, (n, d)
        Rows as in the worms.
    worms : sequence of NamedPoints
    name_count : int

    Returns
    -------
    mean : ndarray, (name_count, d)
        NaN for names that no worm carries.
    covariance : ndarray, (name_count, d, d)
    """
    means = mean_by_name(values, worms, name_count)
    width = means.shape[1]
    scatter, count = np.zeros((name_count, width, width)), np.zeros(name_count)
    for rows, worm in zip(values, worms, strict=True):
        index = worm.index[worm.named]
        off = rows[worm.named] - means[index]
        np.add.at(scatter, index, off[:, :, None] * off[:, None, :])
        np.add.at(count, index, 1.0)
    freedom = np.maximum(count - 1.0, 0.0)[:, None, None]
    pooled = scatter.sum(axis=0) / max(1.0, float(freedom.sum()))
    return means, (scatter + PRIOR_WORMS * pooled) / (freedom + PRIOR_WORMS)


def presence_by_name(worms: Sequence[NamedPoints], name_count: int) -> FloatArray:
    """Share of the worms that carry each name, kept off 0 and 1 (Laplace's rule): (name_count,)."""
    count = np.ones(name_count)
    for worm in worms:
        np.add.at(count, worm.index[worm.named], 1.0)
    return count / (len(worms) + 2.0)


def color_of(worm: NamedPoints) -> FloatArray:
    """Color of a worm, (n, c); ValueError if it has none."""
    if worm.color is None:
        raise ValueError("a worm without colors: leave it out")
    return worm.color


def anatomical_rotation(means: FloatArray, names: Sequence[str]) -> FloatArray:
    """Rotation whose rows are left-right, dorsal-ventral and anterior-posterior.

    Left-right is the mean difference of the left and right members of the paired names,
    anterior-posterior the longest principal axis, from the pharyngeal I neurons towards the
    retrovesicular ganglion; dorsal-ventral completes a frame of the anatomy's handedness.

    Parameters
    ----------
    means : ndarray, (k, 3)
        NaN where a name has no mean.
    names : sequence of str
    """
    at = {name: means[i] for i, name in enumerate(names) if np.isfinite(means[i, 0])}
    pairs = [(at[name], at[name[:-1] + "R"]) for name in at if _has_right(name, at)]
    right = np.mean([r - left for left, r in pairs], axis=0)
    known = np.array(list(at.values()))
    back = np.linalg.svd(known - known.mean(axis=0), full_matrices=False)[2][0]
    front = np.mean([at[name] for name in _FRONT if name in at], axis=0)
    back = back * (np.sign((known.mean(axis=0) - front) @ back) or 1.0)
    right = right - (right @ back) * back
    right = right / np.linalg.norm(right)
    return np.array([right, np.cross(back, right), back])


_FRONT = ("I1L", "I1R", "I2L", "I2R", "I3", "OLQDL", "OLQDR", "OLQVL", "OLQVR", "URYDL", "URYVL")


def _has_right(name: str, names: dict[str, FloatArray]) -> bool:
    return name.endswith("L") and name[:-1] + "R" in names


def _stretch(matrix: FloatArray) -> FloatArray:
    """Symmetric factor S of the polar decomposition matrix = S R."""
    u, singular, _ = np.linalg.svd(matrix)
    stretch: FloatArray = (u * singular) @ u.T
    return stretch
