"""Content keys: the same content has the same key, whatever its file is called."""

from __future__ import annotations

import dataclasses
import hashlib
import inspect
import sys
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from functools import cache
from pathlib import Path
from typing import Any, Final

import numpy as np
from pydantic import BaseModel

__all__ = ["animal_key", "content_key", "core_key", "folder_key", "source_key"]

KERNELS: Final = "_kernels.so"
"""What the installation compiles of the C++ of a built-in plugin."""


def content_key(*values: object) -> str:
    """Hash values by content: 32 hexadecimal digits of sha256.

    Parameters
    ----------
    *values
        Anything built of None, bool, numbers, str, bytes, arrays, mappings, sequences, sets,
        dataclasses and pydantic models. Arrays enter with dtype and shape.

    Raises
    ------
    TypeError
        A value that has no content of its own (a function, an open file).
    """
    digest = hashlib.sha256()
    for value in values:
        _feed(digest, value)
    return digest.hexdigest()[:32]


def _feed(digest: Any, value: object) -> None:
    if value is None or isinstance(value, bool | int | float | str | bytes | np.generic):
        plain = value.item() if isinstance(value, np.generic) else value
        raw = plain if isinstance(plain, bytes) else repr(plain).encode()
        digest.update(f"{type(plain).__name__}:{len(raw)}:".encode() + raw)
    elif isinstance(value, np.ndarray):
        digest.update(f"array:{value.dtype.str}:{value.shape}:".encode())
        digest.update(np.ascontiguousarray(value).tobytes())
    elif isinstance(value, BaseModel):
        _feed(digest, value.model_dump(mode="json"))
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = dataclasses.fields(value)
        _feed(digest, {field.name: getattr(value, field.name) for field in fields})
    elif isinstance(value, Mapping):
        _feed(digest, sorted((str(key), content_key(item)) for key, item in value.items()))
    elif isinstance(value, AbstractSet):
        _feed(digest, sorted(content_key(item) for item in value))
    elif isinstance(value, Sequence):
        digest.update(f"sequence:{len(value)}:".encode())
        for item in value:
            _feed(digest, item)
    else:
        raise TypeError(f"a {type(value).__name__} has no content key")


def animal_key(zyx_um: np.ndarray[Any, Any]) -> str:
    """Give the key by which weights remember a worm that they saw.

    It is made of the neurons' mutual distances, rounded to 0.1 µm and sorted, so that it stays
    the same when a worm's file is renamed, its rows are shuffled, or it is moved, rotated or
    mirrored.

    Parameters
    ----------
    zyx_um : (n, 3) array
        Positions in µm.
    """
    points = np.asarray(zyx_um, dtype=np.float64)
    distance = np.sqrt(((points[:, None] - points[None]) ** 2).sum(axis=2))
    nearest = np.sort(distance, axis=1)[:, 1:4]
    profile = np.sort(nearest.ravel().round(1))
    coarse = np.round(profile[:: max(1, len(profile) // 64)], 1)
    return content_key("animal", len(points), coarse.astype(np.float32))


@cache
def source_key(cls: type) -> str:
    """Hash the code that a plugin class comes from, weights included.

    Of a built-in plugin that is its own folder, of a third party's its whole package, or its
    module where there is no package. Changed code or weights make another key, so stored
    results are stale.
    """
    module = sys.modules[cls.__module__]
    file = getattr(module, "__file__", None)
    if file is None:
        return content_key(inspect.getsource(cls))
    path = Path(file)
    if not (path.parent / "__init__.py").exists():
        return content_key(path.name, path.read_bytes())
    folder = path.parent
    own = Path(__file__).parents[1] in folder.parents
    while not own and (folder.parent / "__init__.py").exists():
        folder = folder.parent
    return folder_key(folder)


@cache
def folder_key(folder: Path) -> str:
    """Hash all files below a folder; what was compiled from others of them is left out."""
    files = sorted(item for item in folder.rglob("*") if item.is_file() and not _is_built(item))
    return content_key([(str(f.relative_to(folder)), f.read_bytes()) for f in files])


def _is_built(file: Path) -> bool:
    """Say whether Python or the installation made a file from sources that are hashed as well.

    Every compiler makes another library of the same sources.
    """
    return "__pycache__" in file.parts or file.name == KERNELS


@cache
def core_key() -> str:
    """Hash the code that every plugin is built on: `trackbench.core`."""
    return folder_key(Path(__file__).parent)
