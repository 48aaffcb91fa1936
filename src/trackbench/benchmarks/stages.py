"""Keeps what segmenters and matchers gave, under content keys, so that none runs twice."""

from __future__ import annotations

import contextlib
import zipfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from trackbench.benchmarks.atomic import make_folder, write_atomically
from trackbench.core.types import Match, PointCloud
from trackbench.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from trackbench.core.types import Case

__all__ = ["MAX_STAGE_BYTES", "StageCache"]

MAX_STAGE_BYTES: Final = 64 * 2**20
"""A stage output larger than this is not kept: running it again is cheaper than its place."""


@dataclass(frozen=True)
class StageCache:
    """A folder of stage outputs; without one nothing is kept.

    A file that can't be read counts as absent. One that can't be written is left out: it costs
    a second run and no result.
    """

    folder: Path | None

    def clouds(self, key: str) -> list[PointCloud] | None:
        """Give the point clouds that a segmenter found for a chunk, None where not kept."""
        arrays = self._read(key)
        if arrays is None:
            return None
        counts = np.cumsum(arrays["n"])[:-1]
        points = np.split(arrays["zyx_um"], counts)
        if "color" not in arrays:
            return [PointCloud(part) for part in points]
        colors = np.split(arrays["color"], counts)
        return [PointCloud(part, color) for part, color in zip(points, colors, strict=True)]

    def keep_clouds(self, key: str, clouds: Sequence[PointCloud]) -> None:
        """Keep the clouds of a chunk, unless one carries what the file has no place for."""
        colors = [cloud.color for cloud in clouds if cloud.color is not None]
        if any(cloud.evidence for cloud in clouds) or len(colors) not in {0, len(clouds)}:
            return
        arrays: dict[str, NDArray[Any]] = {
            "n": np.array([len(cloud) for cloud in clouds]),
            "zyx_um": np.concatenate([cloud.zyx_um for cloud in clouds]),
        }
        if colors:
            arrays["color"] = np.concatenate(colors)
        self._write(key, arrays)

    def matches(self, key: str, cases: Sequence[Case]) -> list[list[Match]] | None:
        """Give the matches of a chunk, one list a case, None where not kept."""
        arrays = self._read(key)
        if arrays is None:
            return None
        tables = np.split(arrays["log_p"], np.cumsum(arrays["shape"].prod(axis=1))[:-1])
        shaped = iter(zip(tables, arrays["shape"], strict=True))
        found = []
        for case in cases:
            pairs = [(template.id, next(shaped)) for template in case.templates]
            found.append(
                [Match(t.reshape(shape), name, case.test.id) for name, (t, shape) in pairs]
            )
        return found

    def keep_matches(self, key: str, matches: Sequence[Sequence[Match]]) -> None:
        """Keep the matches of a chunk."""
        tables = [match.log_p for row in matches for match in row]
        if tables and sum(table.nbytes for table in tables) <= MAX_STAGE_BYTES:
            shape = np.array([table.shape for table in tables])
            log_p = np.concatenate([table.ravel() for table in tables])
            self._write(key, {"shape": shape, "log_p": log_p})

    def _path(self, key: str) -> Path | None:
        return None if self.folder is None else self.folder / key[:2] / f"{key}.npz"

    def _read(self, key: str) -> dict[str, NDArray[Any]] | None:
        path = self._path(key)
        if path is None or not path.exists():
            return None
        try:
            with np.load(path, allow_pickle=False) as file:
                return dict(file)
        except (OSError, ValueError, EOFError, zipfile.BadZipFile):
            return None

    def _write(self, key: str, arrays: dict[str, NDArray[Any]]) -> None:
        path = self._path(key)
        if path is not None:
            with contextlib.suppress(StoreError):
                make_folder(path.parent)
                write_atomically(
                    path,
                    lambda file: np.savez(file, allow_pickle=False, **arrays),
                    durable=False,
                )
