"""Labeled worms as the simulator takes them: real train worms, brought into one frame."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from trackbench.core.atlas import NamedPoints, align_to_means, procrustes_means
from trackbench.core.keys import animal_key
from trackbench.datasets.labeled_heads import labeled_heads
from trackbench.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from trackbench.core.geometry import FloatArray
    from trackbench.core.types import PointCloud
    from trackbench.datasets.splits import Split

__all__ = ["LabeledWorm", "all_names", "anatomical_axes", "read_worms", "to_anatomical_frame"]

MIRROR = np.array([-1.0, 1.0, 1.0])


@dataclass(frozen=True, eq=False)
class LabeledWorm:
    """One worm with names, in micrometres.

    Parameters
    ----------
    zyx_um : ndarray, (n, 3)
    names : tuple of str, length n
        "" where unlabeled.
    color : ndarray, (n, 3)
        Red, green, blue as the file has them.
    id : str
    mirrored : bool
        Whether the axes are a mirror image of the anatomy.
    digest : str
        Key of the animal (`core.keys.animal_key`), by which weights remember that they saw it;
        empty for a worm that was drawn from a model.
    """

    zyx_um: FloatArray
    names: tuple[str, ...]
    color: FloatArray
    id: str
    mirrored: bool = False
    digest: str = ""


def read_worms(data_dir: Path, split: Split = "train") -> list[LabeledWorm]:
    """Read the WormND worms of a split that are on disk, in the order of their names.

    Parameters
    ----------
    data_dir : Path
        The folder that holds `wormnd/`.
    split : {"train", "validation", "test"}
        Whatever learns from worms takes "train".

    Raises
    ------
    MissingDataError
        No folder, or no worm of the split in it.
    """
    return [_labeled(cloud) for cloud in labeled_heads(data_dir, split)]


def _labeled(cloud: PointCloud) -> LabeledWorm:
    points = cloud.zyx_um.astype(np.float64)
    color = np.zeros((len(points), 3)) if cloud.color is None else cloud.color.astype(np.float64)
    names = cloud.names if cloud.names is not None else ("",) * len(points)
    key = animal_key(cloud.zyx_um)
    return LabeledWorm(points, names, color, cloud.id, bool(cloud.mirrored), key)


def to_anatomical_frame(worms: Sequence[LabeledWorm]) -> list[LabeledWorm]:
    """Rotate and shift every worm into one anatomical frame, by its labels.

    Generalized Procrustes analysis with rigid maps (a mirrored recording is reflected first).
    In the frame z runs from left to right, y from dorsal to ventral, x from anterior to
    posterior.

    Parameters
    ----------
    worms : sequence of LabeledWorm
        Worms with fewer than four names in common with the others have no fit: leave them out.
    """
    names = all_names(worms)
    index = {name: i for i, name in enumerate(names)}
    points = [
        NamedPoints(
            worm.zyx_um * (MIRROR if worm.mirrored else 1.0),
            np.array([index.get(name, -1) for name in worm.names], dtype=np.int64),
        )
        for worm in worms
    ]
    means = procrustes_means(points, len(names), ridge=np.inf)
    means = means @ anatomical_axes(means, names).T
    aligned = []
    for worm, raw in zip(worms, points, strict=True):
        fit = align_to_means(raw, means, ridge=np.inf)
        aligned.append(replace(worm, zyx_um=fit(raw.zyx_um), mirrored=False))
    return aligned


def all_names(worms: Iterable[LabeledWorm]) -> tuple[str, ...]:
    """Give the sorted names that at least one worm carries."""
    return tuple(sorted({name for worm in worms for name in worm.names if name}))


def anatomical_axes(means: FloatArray, names: Sequence[str]) -> FloatArray:
    """Rotation (3, 3) with rows left-to-right, dorsal-to-ventral, anterior-to-posterior.

    Left and right come from the last letter of paired names (RMEL and RMER). The long axis is
    the direction of largest spread perpendicular to that; dorsal and ventral pairs (RMED and
    RMEV, OLQDL and OLQVL) give its sign, because (anterior to posterior, dorsal to ventral, left
    to right) is right-handed.

    Parameters
    ----------
    means : ndarray, (k, 3)
        z, y, x; NaN rows are ignored.
    names : sequence of str, length k
    """
    row = {name: means[i] for i, name in enumerate(names) if np.isfinite(means[i, 0])}
    right = _mean_difference(row, "LR", (-1,))
    ventral = _mean_difference(row, "DV", (-1, -2))
    right = right / np.linalg.norm(right)
    points = np.stack(list(row.values()))
    flat = points - np.median(points, axis=0)
    flat = flat - np.outer(flat @ right, right)
    posterior = np.linalg.eigh(flat.T @ flat)[1][:, -1]
    # rows z, y, x reverse the order of the axes, which turns the sign of the cross product
    posterior = posterior * np.sign(posterior @ np.cross(right, ventral))
    ventral = np.cross(posterior, right)
    axes: FloatArray = np.stack([right, ventral, posterior])
    return axes


def _mean_difference(row: dict[str, FloatArray], letters: str, ends: tuple[int, ...]) -> FloatArray:
    """Mean step from names with the first letter at one of `ends` to those with the second."""
    first, second = letters[0], letters[1]
    pairs = [
        row[other] - row[name]
        for name in row
        for end in ends
        if len(name) > -end
        and name[end] == first
        and (other := name[:end] + second + name[len(name) + end + 1 :]) in row
    ]
    if not pairs:
        raise InputError(
            f"the labels hold no pair of neurons that differ in {first} and {second}",
            "give worms with more names",
        )
    mean: FloatArray = np.mean(pairs, axis=0)
    return mean
