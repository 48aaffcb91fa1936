"""The registry of public data: which files, where, how large, with which sha256."""

from __future__ import annotations

import difflib
import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from trackbench.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["RemoteFile", "Source", "load_sources", "parse_sources", "source_named"]


@dataclass(frozen=True)
class RemoteFile:
    """One file of a source: its path below the folder, its sha256 and its size in bytes."""

    path: str
    sha256: str
    size: int


@dataclass(frozen=True)
class Source:
    """One public dataset.

    Parameters
    ----------
    name : str
        Section of the registry, and name of the folder that holds the files.
    base : str
        Address that the paths are relative to; ends with a slash.
    licence, cite : str
    files : tuple of RemoteFile
    """

    name: str
    base: str
    licence: str
    cite: str
    files: tuple[RemoteFile, ...]

    @property
    def size(self) -> int:
        """All files together, in bytes."""
        return sum(file.size for file in self.files)


def parse_sources(text: str) -> Mapping[str, Source]:
    """Read a registry in TOML, one section a source."""
    sections = tomllib.loads(text)
    return MappingProxyType({name: _source(name, body) for name, body in sections.items()})


def _source(name: str, body: Mapping[str, Any]) -> Source:
    found = tuple(
        RemoteFile(path, entry["sha256"], entry["bytes"]) for path, entry in body["files"].items()
    )
    return Source(name, body["base"], body["licence"], body["cite"], found)


@cache
def load_sources() -> Mapping[str, Source]:
    """Read the registry that comes with the package."""
    resource = files("trackbench.datasets") / "registry.toml"
    return parse_sources(resource.read_text(encoding="utf-8"))


def source_named(name: str) -> Source:
    """Give one source.

    Raises
    ------
    UsageError
        No such source; the nearest name is suggested.
    """
    sources = load_sources()
    if name not in sources:
        near = difflib.get_close_matches(name, sources, n=1)
        mend = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(sources)}"
        raise UsageError(f"no data named {name!r}", mend)
    return sources[name]
