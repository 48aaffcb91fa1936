"""fDNC point folders: ``<prefix>_<t>.npy``, one volume of one worm a file.

Each file is (n, 4): x, y, z in units of 84 µm, and a label: 0 and above an identity within the
folder, -1 a neuron without a name, -2 a spurious one that the simulator put in (Yu et al. 2021).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import numpy as np

from trackbench.core.types import PointCloud
from trackbench.datasets.readers.arrays import read_array
from trackbench.datasets.readers.files import checked_folder
from trackbench.datasets.readers.names import clean_names
from trackbench.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["UNIT_UM", "list_fdnc_volumes", "read_fdnc_points"]

UNIT_UM: Final = 84.0
"""One unit of the format in µm: 200 pixels of 0.42 µm (Yu et al. 2021)."""

NOT_A_NEURON: Final = -2
_VOLUME = re.compile(r"[a-z]+_(\d+)\.npy")


def list_fdnc_volumes(folder: Path) -> dict[int, Path]:
    """Give the files of a folder by their volume number, in that order.

    Raises
    ------
    MissingDataError
        The folder isn't there.
    """
    checked_folder(folder, "give the folder that holds it, or run: trackbench data fetch")
    found = {
        int(match[1]): path
        for path in folder.iterdir()
        if (match := _VOLUME.fullmatch(path.name)) is not None
    }
    return dict(sorted(found.items()))


def read_fdnc_points(path: Path, id: str = "", animal: str = "") -> PointCloud:  # noqa: A002
    """Read one volume: positions in µm, names that are the labels' numbers.

    Parameters
    ----------
    path : Path
    id, animal : str
        Of the point cloud; the file's name where empty.

    Raises
    ------
    InputError
        Truncated, another shape, a coordinate that isn't finite, a label that isn't whole.
    """
    table = read_array(path, (None, 4), "(n, 4): x, y, z in units of 84 µm, label")
    table = table.astype(np.float64)
    bad = np.flatnonzero(~np.isfinite(table).all(axis=1))
    if len(bad):
        raise InputError(f"{path}: row {bad[0]} is not finite", "remove the row or mend it")
    label = table[:, 3]
    odd = np.flatnonzero((label != np.round(label)) | (label < NOT_A_NEURON))
    if len(odd):
        raise InputError(
            f"{path}: label {label[odd[0]]:g} in row {odd[0]}",
            "labels are whole numbers, -1 where unlabeled",
        )
    names, notes = clean_names(str(int(number)) if number >= 0 else "" for number in label)
    return PointCloud(
        table[:, 2::-1] * UNIT_UM,
        names=names,
        id=id or path.stem,
        animal=animal or path.stem,
        notes=notes,
    )
