"""Labeled worms as the simulator takes them: read from WormND tables, brought into one frame."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from trackbench.core.atlas import NamedPoints, align_to_means, procrustes_means
from trackbench.core.geometry import FloatArray
from trackbench.core.keys import animal_key
from trackbench.datasets.splits import Split, neuropal_split

POSITION_COLUMNS = ("real_Z", "real_Y", "real_X")
COLOR_COLUMNS = ("real_R", "real_G", "real_B")


@dataclass(frozen=True, eq=False)
class LabeledWorm:
    """One worm with names, in micrometres.

    Parameters
    ----------
    zyx_um : ndarray, (n, 3)
    names : tuple of str, length n
        "" where unlabeled; a name that stands twice in the file is kept at neither place.
    color : ndarray, (n, 3)
        Red, green, blue as the file has them.
    id, lab : str
    mirrored : bool
        Whether the axes are a mirror image of the anatomy.
    digest : str
        Key of the animal (`core.keys.animal_key`), by which weights remember that they saw it.
    """

    zyx_um: FloatArray
    names: tuple[str, ...]
    color: FloatArray
    id: str
    lab: str
    mirrored: bool
    digest: str


def read_worms(root: Path, splits: Iterable[Split] = ("train",)) -> list[LabeledWorm]:
    """Read the WormND worms of the given splits that are on disk, in the order of their names.

    Parameters
    ----------
    root : Path
        The folder that holds `group_assigns.csv`, `handedness.csv` and `aligned_heads/`.
    splits : iterable of {"train", "validation", "test"}
    """
    wanted = set(splits)
    handedness = {row["Filename"]: int(row["handedness"]) for row in _rows(root / "handedness.csv")}
    worms = []
    for row in _rows(root / "group_assigns.csv"):
        name, lab = row["Filename"], row["Dataset"]
        path = root / "aligned_heads" / "aligned_full" / f"{name}.csv"
        if neuropal_split(name, lab, row["Group"]) in wanted and path.exists():
            worms.append(_read_worm(path, lab, handedness[name] < 0))
    return sorted(worms, key=lambda worm: worm.id)


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
            worm.zyx_um * ([-1.0, 1.0, 1.0] if worm.mirrored else [1.0, 1.0, 1.0]),
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
    RMEV) give its sign, because (anterior to posterior, dorsal to ventral, left to right) is
    right-handed.

    Parameters
    ----------
    means : ndarray, (k, 3)
        z, y, x; NaN rows are ignored.
    names : sequence of str, length k
    """
    row = {name: means[i] for i, name in enumerate(names) if np.isfinite(means[i, 0])}
    right = _mean_difference(row, "L", "R")
    ventral = _mean_difference(row, "D", "V")
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


def _mean_difference(row: dict[str, FloatArray], first: str, second: str) -> FloatArray:
    pairs = [
        row[name[:-1] + second] - row[name]
        for name in row
        if name.endswith(first) and name[:-1] + second in row
    ]
    mean: FloatArray = np.mean(pairs, axis=0)
    return mean


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def _read_worm(path: Path, lab: str, mirrored: bool) -> LabeledWorm:
    rows = _rows(path)
    names = [row["ID"].strip() for row in rows]
    twice = {name for name in names if names.count(name) > 1}
    points = _columns(rows, POSITION_COLUMNS)
    return LabeledWorm(
        zyx_um=points,
        names=tuple("" if name in twice else name for name in names),
        color=_columns(rows, COLOR_COLUMNS),
        id=path.stem,
        lab=lab,
        mirrored=mirrored,
        digest=animal_key(points.astype(np.float32)),
    )


def _columns(rows: list[dict[str, str]], columns: Sequence[str]) -> NDArray[np.float64]:
    return np.array([[float(row[column]) for column in columns] for row in rows])
