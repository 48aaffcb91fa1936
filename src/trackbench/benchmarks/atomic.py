"""Writes a file so that it is there whole or not at all, even after kill -9 or a full disk."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final

from trackbench.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["TEMPORARY_PREFIX", "json_text", "make_folder", "write_atomically"]

TEMPORARY_PREFIX: Final = ".part-"
READABLE: Final = 0o644


def write_atomically(
    path: Path, write: Callable[[IO[bytes]], Any], *, durable: bool = True
) -> None:
    """Write to a file beside `path`, flush it to the disk and rename it.

    Parameters
    ----------
    path : Path
    write : callable
        Given the open file.
    durable : bool
        Whether to wait for the disk: without that a power cut may leave a damaged file.

    Raises
    ------
    StoreError
        The disk is full or the folder can't be written; `path` is as it was.
    """
    temporary: str | None = None
    try:
        handle, temporary = tempfile.mkstemp(prefix=TEMPORARY_PREFIX, dir=path.parent)
        os.fchmod(handle, READABLE)
        with os.fdopen(handle, "wb") as file:
            write(file)
            file.flush()
            if durable:
                os.fsync(file.fileno())
        Path(temporary).replace(path)
    except OSError as error:
        if temporary is not None:
            Path(temporary).unlink(missing_ok=True)
        raise StoreError(
            f"can't write {path} ({error.strerror or error})",
            "free some space or choose another folder, then run the same command again",
        ) from error


def make_folder(path: Path) -> None:
    """Make a folder and its parents.

    Raises
    ------
    StoreError
        It can't be made.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(
            f"can't make the folder {path} ({error.strerror or error})", "choose another one"
        ) from error


def json_text(value: Any) -> str:
    """Write a value as strict JSON that a person can read; of a list each item has a line.

    A long list is written many times faster so than indented, which the standard library does in
    Python.
    """
    if isinstance(value, list):
        return "[\n" + ",\n".join(json.dumps(item, allow_nan=False) for item in value) + "\n]\n"
    return json.dumps(value, indent=1, allow_nan=False)
