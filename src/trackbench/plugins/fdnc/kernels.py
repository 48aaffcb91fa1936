"""The native kernels: compiled at installation, loaded where this processor can run them.

They are a faster way to the same answers; where there are none, the portable path in torch and
numpy is taken. ``TRACKBENCH_NO_KERNELS=1`` takes it everywhere. The build uses functions of this
module, before anything of ours is installed: what it imports at its top is Python's own.
"""

from __future__ import annotations

import ctypes
import hashlib
import multiprocessing
import os
import platform
import struct
import warnings
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from trackbench.plugins.fdnc.config import FdncConfig

__all__ = [
    "ELSEWHERE",
    "LIBRARY",
    "SOURCES",
    "SWITCH",
    "exist_for_this_system",
    "library",
    "load",
    "sources_key",
    "suit",
    "why_absent",
]

LIBRARY: Final = "_kernels.so"
SOURCES: Final = "native"
SWITCH: Final = "TRACKBENCH_NO_KERNELS"
ELSEWHERE: Final = "there are kernels for Linux on x86-64 only"
HERE: Final = Path(__file__).parent


def library() -> ctypes.CDLL | None:
    """Give the kernels, or None where the portable path must be taken; decided once a process."""
    found = _found()
    return None if isinstance(found, str) else found


def why_absent() -> str | None:
    """Say why there are no kernels, and the mend where there is one; None where there are."""
    found = _found()
    return found if isinstance(found, str) else None


def suit(config: FdncConfig) -> bool:
    """Say whether the kernels do what is configured."""
    return (config.device, config.precision) == ("cpu", "bfloat16")


@cache
def _found() -> ctypes.CDLL | str:
    return load(HERE)


def load(folder: Path) -> ctypes.CDLL | str:
    """Load the library of a folder.

    A library that is there and can't be used warns; the portable path does its work.

    Parameters
    ----------
    folder : Path
        Holds the library and, where they are kept, its sources in ``native/``.

    Returns
    -------
    ctypes.CDLL or str
        The library, or why it isn't used.
    """
    if os.environ.get(SWITCH, "0") not in {"", "0"}:
        return f"switched off by {SWITCH}"
    if not exist_for_this_system():
        return ELSEWHERE
    if not (folder / LIBRARY).is_file():
        return "no kernels were built: install a C++ compiler, then trackbench again"
    return _opened(folder / LIBRARY, folder / SOURCES)


def _opened(path: Path, sources: Path) -> ctypes.CDLL | str:
    if not _is_whole(path):
        return _broken(f"{path} is damaged", "install trackbench again")
    try:
        found = ctypes.CDLL(str(path))
        found.trackbench_sources.restype = ctypes.c_char_p
        built_from = found.trackbench_sources().decode()
        supported = bool(found.trackbench_supported())
    except (OSError, AttributeError) as problem:
        return _broken(f"{path} can't be loaded ({problem})", "install trackbench again")
    if sources.is_dir() and built_from != sources_key(sources):
        return _broken(f"{path} was built from other sources", "build it: python hatch_build.py")
    return found if supported else "this processor lacks AVX-512 with BF16"


def _broken(problem: str, mend: str) -> str:
    """Warn, of all processes of a run in the first alone, and give what was said."""
    from trackbench.errors import TrackbenchWarning

    if multiprocessing.parent_process() is None:
        message = f"fdnc takes its slow path, {problem}: {mend}"
        warnings.warn(message, TrackbenchWarning, stacklevel=2)
    return f"{problem}: {mend}"


def exist_for_this_system() -> bool:
    """Say whether kernels can be built here, given a compiler."""
    return (platform.system(), platform.machine()) == ("Linux", "x86_64")


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
