"""Checks that every reader makes before it opens a file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from trackbench.errors import InputError, MissingDataError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["MAX_BYTES", "checked_file", "checked_folder"]

MAX_BYTES: Final = 1 << 28
"""256 MiB: the largest file that a reader opens. No format read here comes near it."""


def checked_file(path: Path, max_bytes: int = MAX_BYTES) -> Path:
    """Give `path` back if it is a file that holds something and isn't absurdly large.

    Raises
    ------
    InputError
        Not there, a folder, empty, or more than `max_bytes` bytes.
    """
    if not path.exists():
        raise InputError(f"{path}: no such file", "check the path")
    if not path.is_file():
        raise InputError(f"{path}: not a file", "give the path of one file")
    size = path.stat().st_size
    if size == 0:
        raise InputError(f"{path}: the file is empty", "export or download it again")
    if size > max_bytes:
        raise InputError(
            f"{path}: {size / 2**20:.0f} MiB", f"at most {max_bytes / 2**20:.0f} MiB are read"
        )
    return path


def checked_folder(path: Path, mend: str) -> Path:
    """Give `path` back if it is a folder.

    Raises
    ------
    MissingDataError
        Not there, or a file.
    """
    if not path.is_dir():
        what = "not a folder" if path.exists() else "no such folder"
        raise MissingDataError(f"{path}: {what}", mend)
    return path
