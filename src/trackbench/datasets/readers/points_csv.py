"""A user's own neurons as a CSV: one row a neuron, positions in µm.

Columns, in any order, letter case ignored:

- positions: ``z``, ``y``, ``x``, each also ``z_um`` or ``real_Z`` (as WormND names them);
- optional name: ``name``, ``ID`` or ``label``, blank where unlabeled;
- optional colors: ``color_<channel>`` in the file's order; or ``red``, ``green``, ``blue`` and
  ``white``, each also ``R`` or ``real_R``, in that order. All other columns are ignored.

::

    z_um,y_um,x_um,name
    12.5,40.2,88.1,AVAL
    13.0,39.8,92.4,
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

from trackbench.core.types import PointCloud
from trackbench.datasets.readers.tables import Table, read_table
from trackbench.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

__all__ = ["read_points_csv"]

AXES: Final = (("z", "z_um", "real_z"), ("y", "y_um", "real_y"), ("x", "x_um", "real_x"))
NAMES: Final = ("name", "id", "label")
COLORS: Final = (
    ("red", "r", "real_r"),
    ("green", "g", "real_g"),
    ("blue", "b", "real_b"),
    ("white", "w", "real_w"),
)
COLOR_PREFIX: Final = "color_"
MEND: Final = "name the columns z, y, x (µm); optional: name, red, green, blue or color_<channel>"


def read_points_csv(path: Path, *, mirrored: bool | None = None) -> PointCloud:
    """Read a worm from a CSV.

    Parameters
    ----------
    path : Path
        See the module's text for the columns.
    mirrored : bool, optional
        Whether the x, y, z axes of the microscope form a mirror image of the anatomy.

    Returns
    -------
    PointCloud
        Its `id` and `animal` are the file's name; `names` is None without a name column.

    Raises
    ------
    InputError
        No position columns, values that aren't finite numbers, a name that stands twice.
    """
    table = read_table(path)
    axes = [_one_of(table, spellings) for spellings in AXES]
    if None in axes:
        missing = ", ".join(AXES[i][0] for i, column in enumerate(axes) if column is None)
        raise InputError(
            f"{path}: no column {missing} among {', '.join(table.columns)[:80]!r}", MEND
        )
    positions = table.numbers([column for column in axes if column is not None])
    colors = _color_columns(table)
    return PointCloud(
        positions,
        color=table.numbers(colors) if colors else None,
        names=_names(table),
        id=path.stem,
        animal=path.stem,
        mirrored=mirrored,
    )


def _one_of(table: Table, spellings: Sequence[str]) -> str | None:
    found = [column for column in table.columns if column.lower() in spellings]
    if len(found) > 1:
        raise InputError(
            f"{table.path}: the columns {' and '.join(found)} mean the same", "keep one of them"
        )
    return found[0] if found else None


def _color_columns(table: Table) -> list[str]:
    own = [column for column in table.columns if column.lower().startswith(COLOR_PREFIX)]
    if own:
        return own
    return [column for spellings in COLORS if (column := _one_of(table, spellings)) is not None]


def _names(table: Table) -> tuple[str, ...] | None:
    column = _one_of(table, NAMES)
    if column is None:
        return None
    names = tuple("" if name.lower() == "nan" else name for name in table.text(column))
    twice = sorted(name for name, count in Counter(names).items() if name and count > 1)
    if twice:
        raise InputError(
            f"{table.path}: the name {', '.join(twice)} stands more than once",
            "a name belongs to one neuron: leave the others blank",
        )
    return names
