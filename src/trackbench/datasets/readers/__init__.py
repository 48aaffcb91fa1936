"""One module a file format; the only place that flips axes or units.

Every reader gives values in z, y, x and µm, and says in one line (an `InputError`: file, what is
wrong, the mend) why it can't.

=================  ==========================================================================
module             format
=================  ==========================================================================
`points_csv`       a user's own CSV
`wormnd`           WormND folder: a CSV a worm, folds, handedness
`fdnc_data`        fDNC ``.data``: one worm as a pickle, read by a whitelist
`fdnc_points`      fDNC point folders, ``real_<t>.npy``
`targettrack`      targettrack's frames with numbered points or label masks
=================  ==========================================================================
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from trackbench.datasets.readers.fdnc_data import read_fdnc_data
from trackbench.datasets.readers.fdnc_points import read_fdnc_points
from trackbench.datasets.readers.points_csv import read_points_csv
from trackbench.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

    from trackbench.core.types import PointCloud

__all__ = ["read_fdnc_data", "read_fdnc_points", "read_points", "read_points_csv"]


def read_points(path: Path, *, mirrored: bool | None = None) -> PointCloud:
    """Read one worm from a file of any format that holds one, by its suffix.

    Parameters
    ----------
    path : Path
        ``.csv``, ``.tsv`` or ``.txt`` (see `points_csv`), ``.data`` or ``.npy`` (fDNC).
    mirrored : bool, optional
        Whether the x, y, z axes of the microscope form a mirror image of the anatomy.

    Raises
    ------
    InputError
        An unknown suffix, or a file that can't be used.
    """
    suffix = path.suffix.lower()
    if suffix in {".csv", ".tsv", ".txt"}:
        return read_points_csv(path, mirrored=mirrored)
    if suffix == ".data":
        return replace(read_fdnc_data(path), mirrored=mirrored)
    if suffix == ".npy":
        return replace(read_fdnc_points(path), mirrored=mirrored)
    raise InputError(f"{path}: unknown suffix {suffix!r}", "give a .csv, .tsv, .txt, .data or .npy")
