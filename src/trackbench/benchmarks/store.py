"""The result store: a folder with one file a cell, each written whole or not at all.

::

    store.json      schema of the store
    plans/          what each run wanted, in order
    cells/ab/       <key>.json.gz: the rows of a cell with their predictions
    stages/ab/      <key>.npz: what segmenters and matchers gave
    timing/         <key>.json: a timing pass
    rows.parquet, predictions.parquet, summary.json    collected from the cells
"""

from __future__ import annotations

import gzip
import json
import shutil
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from trackbench import __version__
from trackbench.benchmarks.atomic import (
    TEMPORARY_PREFIX,
    json_text,
    make_folder,
    write_atomically,
)
from trackbench.benchmarks.combination import SCHEMA
from trackbench.benchmarks.lock import locked
from trackbench.benchmarks.record import CellRecord
from trackbench.errors import StoreError

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

__all__ = ["Store"]

MARKER: Final = "store.json"
LEVEL: Final = 3
"""Compression level: a third of the size for a tenth of a millisecond a case."""


class Store:
    """Results in a folder.

    Parameters
    ----------
    folder : Path
        An existing store; see `create` and `open`.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @classmethod
    def create(cls, folder: Path) -> Store:
        """Open a store, or make one in an empty or absent folder.

        Raises
        ------
        StoreError
            The folder holds something else, is of another schema or can't be written.
        """
        # listed before the marker is looked for: another first run may be making the store
        held = not _is_free(folder)
        if (folder / MARKER).exists():
            return cls.open(folder)
        if held:
            raise StoreError(
                f"{folder} exists and is no result store", "choose another --out or empty it"
            )
        make_folder(folder)
        store = cls(folder)
        store._write_json(Path(MARKER), {"schema": SCHEMA, "trackbench": __version__})
        return store

    @classmethod
    def open(cls, folder: Path) -> Store:
        """Open an existing store.

        Raises
        ------
        StoreError
            There is none, or it is of another schema.
        """
        store = cls(folder)
        found = store.read_json(Path(MARKER))
        if found is None:
            raise StoreError(
                f"{folder} is no result store", "give a folder that `trackbench run --out` made"
            )
        if found.get("schema") != SCHEMA:
            raise StoreError(
                f"{folder} has schema {found.get('schema')}, this trackbench writes {SCHEMA}",
                f"use trackbench {found.get('trackbench', '?')} or choose another --out",
            )
        return store

    @property
    def stages(self) -> Path:
        """Folder of the stage outputs."""
        return self.folder / "stages"

    def lock(self) -> AbstractContextManager[None]:
        """Keep other runs out for the length of a block."""
        return locked(self.folder / "lock")

    def cell(self, key: str) -> CellRecord | None:
        """Read a cell; None where it isn't there, or its file is damaged."""
        try:
            raw = gzip.decompress(self._cell_path(key).read_bytes())
            return CellRecord.from_json(json.loads(raw))
        except FileNotFoundError:
            return None
        except (OSError, EOFError, ValueError, KeyError, TypeError, zlib.error):
            return None

    def has_cell(self, key: str) -> bool:
        """Say whether a cell is there, without reading it."""
        return self._cell_path(key).exists()

    def write_cell(self, record: CellRecord) -> None:
        """Write a cell.

        Raises
        ------
        StoreError
            The disk is full or can't be written; no partial file stays.
        """
        path = self._cell_path(record.key)
        text = json.dumps(record.to_json(), separators=(",", ":"), allow_nan=False)
        packed = gzip.compress(text.encode(), compresslevel=LEVEL, mtime=0)
        make_folder(path.parent)
        write_atomically(path, lambda file: file.write(packed))

    def plans(self) -> list[dict[str, Any]]:
        """Give what each run wanted, the oldest first."""
        found = sorted((self.folder / "plans").glob("*.json"))
        plans = [self.read_json(path.relative_to(self.folder)) for path in found]
        return [plan for plan in plans if plan is not None]

    def write_plan(self, plan: dict[str, Any]) -> None:
        """Keep a plan as the newest; the same plan from before is replaced."""
        folder = self.folder / "plans"
        make_folder(folder)
        earlier = sorted(folder.glob("*.json"))
        number = 1 + (int(earlier[-1].name.split("-")[0]) if earlier else 0)
        self._write_json(Path("plans") / f"{number:06d}-{plan['key']}.json", plan)
        for path in earlier:
            if path.stem.endswith(plan["key"]):
                path.unlink(missing_ok=True)

    def read_timing(self, key: str) -> dict[str, Any] | None:
        """Read a timing pass; None where there is none."""
        return self.read_json(Path("timing") / f"{key}.json")

    def write_timing(self, key: str, timing: dict[str, Any]) -> None:
        """Keep a timing pass."""
        make_folder(self.folder / "timing")
        self._write_json(Path("timing") / f"{key}.json", timing)

    def write_json(self, name: str, value: Any) -> None:
        """Write a collected file such as `summary.json`."""
        self._write_json(Path(name), value)

    def read_json(self, name: Path) -> dict[str, Any] | None:
        """Read a JSON object of the store; None where it isn't there or is damaged."""
        try:
            value = json.loads((self.folder / name).read_bytes())
        except (OSError, ValueError):
            return None
        return value if isinstance(value, dict) else None

    def forget_stages(self) -> None:
        """Remove all stage outputs, so that every stage is run again."""
        shutil.rmtree(self.stages, ignore_errors=True)

    def sweep(self) -> None:
        """Remove what a killed run left half-written. Call it with the lock held."""
        for part in self.folder.rglob(f"{TEMPORARY_PREFIX}*"):
            part.unlink(missing_ok=True)

    def _cell_path(self, key: str) -> Path:
        return self.folder / "cells" / key[:2] / f"{key}.json.gz"

    def _write_json(self, name: Path, value: Any) -> None:
        text = json_text(value)
        write_atomically(self.folder / name, lambda file: file.write(text.encode()))


def _is_free(folder: Path) -> bool:
    """Say whether a folder can become a store: absent, or it holds at most unfinished files."""
    if not folder.exists():
        return True
    return folder.is_dir() and all(
        file.name.startswith(TEMPORARY_PREFIX) for file in folder.iterdir()
    )
