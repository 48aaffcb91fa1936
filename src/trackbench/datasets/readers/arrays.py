"""Reads ``.npy`` files of numbers: never a pickle, never more than the header's due."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from trackbench.datasets.readers.files import checked_file
from trackbench.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = ["map_array", "read_array"]


def read_array(path: Path, shape: tuple[int | None, ...], meaning: str) -> NDArray[Any]:
    """Read an array of numbers and check its shape before any of it is loaded.

    Parameters
    ----------
    path : Path
    shape : tuple of int or None
        The length wanted along each axis; None where any will do.
    meaning : str
        What the axes are, for the error: "(n, 4): x, y, z, label".

    Raises
    ------
    InputError
        Not there, not a ``.npy`` file, truncated, a pickle inside, no numbers, another shape.
    """
    mapped = map_array(path)
    fits = len(mapped.shape) == len(shape) and all(
        wanted is None or length == wanted
        for length, wanted in zip(mapped.shape, shape, strict=True)
    )
    if not fits or 0 in mapped.shape:
        raise InputError(f"{path}: shape {mapped.shape}", f"it must be {meaning}")
    return np.array(mapped)


def map_array(path: Path) -> NDArray[Any]:
    """Open an array of numbers without loading it.

    Raises
    ------
    InputError
        Not there, not a ``.npy`` file, truncated, a pickle inside, no numbers.
    """
    try:
        mapped = np.load(checked_file(path), mmap_mode="r", allow_pickle=False)
    except (ValueError, EOFError, OSError, OverflowError) as error:
        raise InputError(
            f"{path}: can't be read as a .npy array ({_first_sentence(error)})",
            "the file is truncated or of another kind: export or download it again",
        ) from None
    if not isinstance(mapped, np.ndarray):
        raise InputError(f"{path}: an archive of arrays", "give one array saved by numpy.save")
    if mapped.dtype.kind not in "biuf":
        raise InputError(f"{path}: holds {mapped.dtype}", "it must hold numbers")
    return mapped


def _first_sentence(error: Exception) -> str:
    return (str(error).splitlines() or ["unreadable"])[0].split(". ")[0].rstrip(".")[:120]
