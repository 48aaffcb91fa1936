"""Reads a delimited text table and says in one line what is wrong with it."""

from __future__ import annotations

import csv
import io
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from trackbench.core.types import MAX_POINTS
from trackbench.datasets.readers.files import checked_file
from trackbench.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = ["Table", "read_table"]

DELIMITERS: Final = ",;\t"


@dataclass(frozen=True)
class Table:
    """A table as text: one tuple a row, as long as `columns`.

    Parameters
    ----------
    path : Path
        Where it was read; every error names it.
    columns : tuple of str
        The header.
    rows : tuple of tuple of str
    lines : tuple of int
        Line of the file that each row ends on, counted from 1.
    """

    path: Path
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    lines: tuple[int, ...]

    def require(self, wanted: Sequence[str]) -> None:
        """Raise InputError unless all `wanted` columns are there."""
        missing = [name for name in wanted if name not in self.columns]
        if missing:
            raise InputError(
                f"{self.path}: no column {', '.join(missing)}",
                f"the first line must name the columns {', '.join(wanted)}; "
                f"it reads {', '.join(self.columns)[:80]!r}",
            )

    def text(self, column: str) -> tuple[str, ...]:
        """Give one column as text."""
        self.require((column,))
        at = self.columns.index(column)
        return tuple(row[at].strip() for row in self.rows)

    def numbers(self, columns: Sequence[str]) -> NDArray[np.float64]:
        """Give columns as an array (n_rows, n_columns).

        Raises
        ------
        InputError
            A missing column, or a value that isn't a finite number: names line and column.
        """
        self.require(columns)
        at = [self.columns.index(name) for name in columns]
        values = [
            [self._number(row[i], self.columns[i], line) for i in at]
            for row, line in zip(self.rows, self.lines, strict=True)
        ]
        return np.array(values, dtype=np.float64).reshape(len(self.rows), len(columns))

    def _number(self, text: str, column: str, line: int) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            raise InputError(
                f"{self.path}: line {line}, column {column}: {text.strip()[:40]!r} is not a "
                "finite number",
                "remove the row or mend the value",
            )
        return value


def read_table(path: Path) -> Table:
    """Read a table with a header line; comma, semicolon or tab separate its columns.

    Raises
    ------
    InputError
        Not there, not UTF-8 text, no rows, too many rows, ragged rows, a column named twice.
    """
    try:
        text = checked_file(path).read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise InputError(f"{path}: not UTF-8 text", "save it as a CSV in UTF-8") from None
    header = text.split("\n", 1)[0]
    delimiter = max(DELIMITERS, key=header.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    try:
        numbered = [(reader.line_num, tuple(row)) for row in _bounded(reader, path) if any(row)]
    except csv.Error as error:
        raise InputError(f"{path}: line {reader.line_num}: {error}", "save it as a CSV") from None
    if not numbered:
        raise InputError(f"{path}: the table is empty", "export it again")
    columns = tuple(name.strip() for name in numbered[0][1])
    return _checked(path, columns, numbered[1:])


def _bounded(rows: Iterable[list[str]], path: Path) -> Iterable[list[str]]:
    for count, row in enumerate(rows):
        if count > MAX_POINTS:
            raise InputError(f"{path}: more than {MAX_POINTS} rows", "give one row a neuron")
        yield row


def _checked(
    path: Path, columns: tuple[str, ...], rows: list[tuple[int, tuple[str, ...]]]
) -> Table:
    twice = sorted({name for name in columns if name and columns.count(name) > 1})
    if twice:
        raise InputError(f"{path}: two columns are named {twice[0]!r}", "rename or remove one")
    if not rows:
        raise InputError(f"{path}: no rows below the header", "give one row a neuron")
    for line, row in rows:
        if len(row) != len(columns):
            raise InputError(
                f"{path}: line {line} has {len(row)} values for {len(columns)} columns",
                "mend the line; text that holds the separator goes into double quotes",
            )
    return Table(path, columns, tuple(row for _, row in rows), tuple(line for line, _ in rows))
