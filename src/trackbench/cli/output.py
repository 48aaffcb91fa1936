"""Files that commands write beside a store."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trackbench.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from trackbench.benchmarks.summary import SummaryRow

__all__ = ["check_writable", "write_summary"]


def check_writable(path: Path) -> None:
    """Refuse, before any work, a file whose folder isn't there.

    Raises
    ------
    UsageError
    """
    if not path.parent.is_dir():
        raise UsageError(f"can't write {path}", f"make the folder {path.parent} first")


def write_summary(path: Path, rows: Sequence[SummaryRow]) -> None:
    """Write the table for programs.

    Raises
    ------
    StoreError
        The disk is full or can't be written.
    """
    from trackbench.benchmarks.atomic import json_text, write_atomically

    text = json_text([row.to_json() for row in rows])
    write_atomically(path, lambda file: file.write(text.encode()))
