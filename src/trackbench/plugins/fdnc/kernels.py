"""The native kernels: compiled at installation, loaded where this processor can run them.

They are a faster way to the same answers; where there are none, the portable path in torch and
numpy is taken. Set ``TRACKBENCH_NO_KERNELS=1`` to take it everywhere. This module imports the
standard library alone: the build takes :func:`sources_key` from it.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import struct
from functools import cache
from pathlib import Path
from typing import Final

__all__ = ["LIBRARY", "SOURCES", "SWITCH", "library", "load", "sources_key", "why_absent"]

LIBRARY: Final = "_kernels.so"
SOURCES: Final = "native"
SWITCH: Final = "TRACKBENCH_NO_KERNELS"
HERE: Final = Path(__file__).parent


@cache
def library() -> ctypes.CDLL | None:
    """Give the kernels, or None where the portable path must be taken; decided once a process."""
    found = _found()
    return None if isinstance(found, str) else found


@cache
def why_absent() -> str | None:
    """Say why there are no kernels, and the mend where there is one; None where there are."""
    found = _found()
    return found if isinstance(found, str) else None


@cache
def _found() -> ctypes.CDLL | str:
    return load(HERE)


def load(folder: Path) -> ctypes.CDLL | str:
    """Load the library of a folder.

    Parameters
    ----------
    folder : Path
        Holds the library and, where it was built in place, its sources in ``native/``.

    Returns
    -------
    ctypes.CDLL or str
        The library, or why it isn't used.
    """
    if os.environ.get(SWITCH, "0") not in {"", "0"}:
        return f"switched off by {SWITCH}"
    path = folder / LIBRARY
    if not path.is_file():
        return "not built: install a C++ compiler (g++ or clang++), then trackbench again"
    if not _is_whole(path):
        return f"{path} is damaged: install trackbench again"
    try:
        found = ctypes.CDLL(str(path))
        found.trackbench_sources.restype = ctypes.c_char_p
        built_from = found.trackbench_sources().decode()
        supported = bool(found.trackbench_supported())
    except (OSError, AttributeError) as problem:
        return f"{path} can't be loaded ({problem}): install trackbench again"
    sources = folder / SOURCES
    if sources.is_dir() and built_from != sources_key(sources):
        return f"{path} was built from other sources: install trackbench again"
    return found if supported else "this processor lacks AVX-512 with BF16"


def sources_key(folder: Path) -> str:
    """Hash names and content of the C++ files in a folder: 64 hexadecimal digits of sha256."""
    digest = hashlib.sha256()
    for file in sorted([*folder.glob("*.cpp"), *folder.glob("*.h")]):
        content = file.read_bytes()
        digest.update(f"{file.name}:{len(content)}:".encode() + content)
    return digest.hexdigest()


def _is_whole(path: Path) -> bool:
    """Say whether a file is a 64 bit ELF library to its end: a system that maps half of one dies.

    The table of its sections is the last thing in it (ELF-64 object file format, file header).
    """
    with path.open("rb") as stream:
        header = stream.read(64)
    if len(header) < 64 or header[:5] != b"\x7fELF\x02":
        return False
    (table,) = struct.unpack_from("<Q", header, 40)
    size, count = struct.unpack_from("<HH", header, 58)
    return path.stat().st_size >= int(table) + int(size) * int(count)
