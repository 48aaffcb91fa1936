"""What a store holds, and what of that no table needs any more."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from trackbench.benchmarks.collect import wanted_cells

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from trackbench.benchmarks.store import Store

__all__ = ["Share", "prune", "shares", "stale_cells"]


@dataclass(frozen=True)
class Share:
    """One part of a store.

    Parameters
    ----------
    name : str
    n_files, n_bytes : int
    """

    name: str
    n_files: int
    n_bytes: int


def shares(store: Store) -> list[Share]:
    """Give the size of the cells, of those among them that are stale, and of all other parts."""
    stale = stale_cells(store)
    parts = [
        _share("cells that tables are made of", set(_files(store.folder / "cells")) - set(stale)),
        _share("stale cells", stale),
        _share("stage outputs", _files(store.stages)),
        _share("plans and timing", [*_files(store.folder / "plans"), *_files(_timing(store))]),
        _share("tables", (path for path in store.folder.iterdir() if path.is_file())),
    ]
    return [part for part in parts if part.n_files]


def stale_cells(store: Store) -> list[Path]:
    """Give the files of cells that no table shows: of code or data that has changed since."""
    wanted = wanted_cells(store)
    files = _files(store.folder / "cells")
    return [path for path in files if path.name.split(".")[0] not in wanted]


def prune(store: Store, *, stages: bool = False) -> Share:
    """Remove stale cells, and stage outputs if asked to; say how much. Hold the store's lock.

    Stage outputs are made again when they are needed; a table never needs them.

    Parameters
    ----------
    store : Store
    stages : bool
    """
    doomed = [*stale_cells(store), *(_files(store.stages) if stages else ())]
    share = _share("removed", doomed)
    for path in doomed:
        path.unlink(missing_ok=True)
    return share


def _timing(store: Store) -> Path:
    return store.folder / "timing"


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def _share(name: str, files: Iterable[Path]) -> Share:
    sizes = [path.stat().st_size for path in files]
    return Share(name, len(sizes), sum(sizes))
