"""WormND: NeuroPAL heads as tables, one CSV a worm, and the tables about them.

Folder: ``aligned_heads/aligned_full/<worm>.csv``, ``group_assigns.csv`` (fold, lab, whether a
worm is scored) and ``handedness.csv`` (one bit of acquisition metadata a worm: +1 as the
anatomy, -1 mirrored). Positions are µm; the columns are x, y, z. ``aligned_*`` was fitted with
the true names, which makes it an oracle.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from trackbench.core.types import PointCloud
from trackbench.datasets.readers.files import checked_folder
from trackbench.datasets.readers.names import clean_names
from trackbench.datasets.readers.tables import read_table
from trackbench.errors import InputError

__all__ = ["WormndEntry", "read_handedness", "read_wormnd_index", "read_wormnd_worm"]

REAL_COLUMNS: Final = ("real_Z", "real_Y", "real_X")
ALIGNED_COLUMNS: Final = ("aligned_z", "aligned_y", "aligned_x")
COLOR_COLUMNS: Final = ("real_R", "real_G", "real_B")
WORM_FOLDER: Final = Path("aligned_heads", "aligned_full")
HANDEDNESS_FILE: Final = "handedness.csv"
FETCH_MEND: Final = "give the folder that holds wormnd/, or run: trackbench data fetch wormnd"


@dataclass(frozen=True)
class WormndEntry:
    """What is known of a worm before its file is read.

    Parameters
    ----------
    id : str
        File name without its suffix.
    lab, group : str
        Who recorded it; its fold, "0" to "4" or "original".
    scored : bool
        Whether the published tables score it.
    mirrored : bool or None
        Handedness of its axes, None where ``handedness.csv`` has no line for it.
    path : Path
        Its table, which need not exist: copies of the data may be partial.
    """

    id: str
    lab: str
    group: str
    scored: bool
    mirrored: bool | None
    path: Path


def read_wormnd_index(folder: Path) -> tuple[WormndEntry, ...]:
    """List the worms of a WormND folder whose tables are there, sorted by name.

    Raises
    ------
    MissingDataError
        The folder isn't there.
    InputError
        ``group_assigns.csv`` or ``handedness.csv`` can't be used.
    """
    checked_folder(folder, FETCH_MEND)
    table = read_table(folder / "group_assigns.csv")
    handedness = read_handedness(folder)
    fields = [table.text(name) for name in ("Filename", "Dataset", "Group", "ID_skip")]
    entries = []
    for worm, lab, group, skip in zip(*fields, strict=True):
        if Path(worm).name != worm:
            raise InputError(f"{table.path}: {worm!r} is not a file name", "name files only")
        if skip not in {"True", "False"}:
            raise InputError(f"{table.path}: ID_skip of {worm} is {skip!r}", "True or False")
        path = folder / WORM_FOLDER / f"{worm}.csv"
        entry = WormndEntry(worm, lab, group, skip == "False", handedness.get(worm), path)
        if path.exists():
            entries.append(entry)
    return tuple(sorted(entries, key=lambda entry: entry.id))


def read_handedness(folder: Path) -> dict[str, bool]:
    """Read which recordings are mirrored; empty where ``handedness.csv`` isn't there.

    The file isn't part of the public download: it holds, for each ``Filename``, whether the
    x, y, z axes of the recording are as the anatomy (+1) or a mirror image (-1).
    """
    path = folder / HANDEDNESS_FILE
    if not path.exists():
        return {}
    table = read_table(path)
    signs = dict(zip(table.text("Filename"), table.text("handedness"), strict=True))
    meaning = {"1": False, "+1": False, "-1": True}
    wrong = [worm for worm, sign in signs.items() if sign not in meaning]
    if wrong:
        raise InputError(
            f"{path}: handedness of {wrong[0]} is {signs[wrong[0]]!r}", "1 (as the anatomy) or -1"
        )
    return {worm: meaning[sign] for worm, sign in signs.items()}


def read_wormnd_worm(entry: WormndEntry, *, aligned: bool = False) -> PointCloud:
    """Read one worm: positions in µm, three z-scored colors (red, green, blue), human names.

    Parameters
    ----------
    entry : WormndEntry
    aligned : bool
        Take ``aligned_*`` for positions: an oracle. Its frame has the anatomy's handedness.

    Raises
    ------
    InputError
        Columns missing, a coordinate or color that isn't a finite number, no rows.
    """
    table = read_table(entry.path)
    columns = ALIGNED_COLUMNS if aligned else REAL_COLUMNS
    table.require((*columns, *COLOR_COLUMNS, "ID"))
    names, notes = clean_names(table.text("ID"))
    if entry.mirrored is None and not aligned:
        notes = (*notes, f"{HANDEDNESS_FILE} does not say whether it is mirrored")
    return PointCloud(
        table.numbers(columns),
        color=table.numbers(COLOR_COLUMNS),
        names=names,
        id=entry.id,
        animal=entry.id,
        mirrored=False if aligned else entry.mirrored,
        notes=notes,
    )
