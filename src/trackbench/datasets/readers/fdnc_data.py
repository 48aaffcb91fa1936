"""fDNC ``.data`` files: one worm as a pickled dict (Yu et al. 2021).

``pts`` (n, 3) x, y, z in µm; optional ``fluo`` (n, c) colors, ``name`` (n) with "" where
unlabeled, ``mask_keep`` (k,) the indices of the neurons to keep, and ``side``: 0 means that the
worm lies on the other side, and it is turned by half a turn about y, never mirrored. What the
authors' annotation tool guessed or aligned (``name_auto``, ``pts_align``, ...) is not read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from trackbench.core.types import PointCloud
from trackbench.datasets.readers.files import checked_file
from trackbench.datasets.readers.names import clean_names
from trackbench.datasets.readers.safe_pickle import loads
from trackbench.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = ["read_fdnc_data"]

MAX_BYTES: Final = 1 << 26
TURNED_SIDE: Final = 0
HALF_TURN_ABOUT_Y: Final = (-1.0, 1.0, -1.0)
"""Factors of x, y, z (and of z, y, x): a rotation, its determinant is +1."""


def read_fdnc_data(path: Path, id: str = "", animal: str = "") -> PointCloud:  # noqa: A002
    """Read one worm: positions in µm, colors and names where the file has them.

    Parameters
    ----------
    path : Path
    id, animal : str
        Of the point cloud; the file's name where empty.

    Raises
    ------
    InputError
        A pickle that names foreign classes (nothing of it is run), missing or malformed fields.
    """
    content = loads(checked_file(path, MAX_BYTES).read_bytes(), path)
    if not isinstance(content, dict) or "pts" not in content:
        raise InputError(f"{path}: no field 'pts'", "it must be a dict with pts (n, 3) in µm")
    points = _numbers(content, "pts", path)
    if points.ndim != 2 or points.shape[1] != 3:
        raise InputError(f"{path}: pts has shape {points.shape}", "it must be (n, 3): x, y, z")
    color = _numbers(content, "fluo", path) if content.get("fluo") is not None else None
    if color is not None and (color.ndim != 2 or len(color) != len(points)):
        raise InputError(f"{path}: fluo has shape {color.shape}", f"it must be ({len(points)}, c)")
    names, notes = _names(content, len(points), path)
    if content.get("side") == TURNED_SIDE:
        points = points * HALF_TURN_ABOUT_Y
    cloud = PointCloud(
        points[:, ::-1],
        color=color,
        names=names,
        id=id or path.stem,
        animal=animal or path.stem,
        notes=notes,
    )
    return cloud.take(_kept(content, len(points), path))


def _numbers(content: Mapping[str, Any], field: str, path: Path) -> NDArray[np.float64]:
    raw = content[field]
    if not isinstance(raw, np.ndarray):
        raise InputError(f"{path}: {field} isn't a numpy array", "make it an array of numbers")
    values = raw.astype(np.float64)
    bad = np.argwhere(~np.isfinite(values))
    if len(bad):
        raise InputError(
            f"{path}: {field} is not finite in row {bad[0][0]}", "remove the row or mend it"
        )
    return values


def _names(
    content: Mapping[str, Any], n: int, path: Path
) -> tuple[tuple[str, ...] | None, tuple[str, ...]]:
    raw = content.get("name")
    if raw is None:
        return None, ()
    is_text = isinstance(raw, list | tuple) and all(isinstance(name, str) for name in raw)
    if not is_text or len(raw) != n:
        raise InputError(f"{path}: name is not a list of {n} texts", "give '' where unlabeled")
    return clean_names(raw)


def _kept(content: Mapping[str, Any], n: int, path: Path) -> NDArray[np.intp]:
    raw = content.get("mask_keep")
    index = np.arange(n) if raw is None else raw
    if not isinstance(index, np.ndarray) or index.ndim != 1 or index.dtype.kind not in "iu":
        raise InputError(
            f"{path}: mask_keep is not an array of indices",
            "it must hold the rows of the neurons to keep, as whole numbers",
        )
    if len(index) and (
        index.min() < 0 or index.max() >= n or len(set(index.tolist())) < len(index)
    ):
        raise InputError(
            f"{path}: mask_keep goes beyond the {n} points or repeats one", "give each index once"
        )
    return index.astype(np.intp)
