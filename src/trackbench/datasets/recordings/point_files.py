"""Recordings that are a folder with the neurons of one volume a file."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Final

from trackbench.datasets.readers import read_points
from trackbench.datasets.readers.arrays import map_array
from trackbench.datasets.recordings.recording import Header, Recording
from trackbench.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from trackbench.core.types import PointCloud

__all__ = ["PointFiles"]

MAX_HEADER_BYTES: Final = 4096


class PointFiles(Recording):
    """Neurons in µm, one file a volume; a file without a neuron is an empty volume.

    Parameters
    ----------
    folder : Path
    files : mapping of int to Path
        By frame number; formats as `readers.read_points` takes them.
    volumes_per_s : float, optional
    mirrored : bool, optional
        Handedness of the acquisition.
    """

    def __init__(
        self,
        folder: Path,
        files: Mapping[int, Path],
        volumes_per_s: float | None = None,
        mirrored: bool | None = None,
    ) -> None:
        self._files = list(files.values())
        self._mirrored = mirrored
        header = Header(folder, tuple(files), volumes_per_s=volumes_per_s, has_points=True)
        super().__init__(header)

    def points(self, t: int) -> PointCloud | None:
        """Read file t."""
        path = self._files[t]
        if _is_empty(path):
            return None
        cloud = read_points(path, mirrored=self._mirrored)
        name = f"{self.id}-{self.header.numbers[t]}"
        return dataclasses.replace(cloud, id=name, animal=self.id)


def _is_empty(path: Path) -> bool:
    """Tell a file that holds no neuron (an array of no rows, a header alone) from others."""
    if path.suffix.lower() == ".npy":
        return 0 in map_array(path).shape
    if path.suffix.lower() == ".data" or path.stat().st_size > MAX_HEADER_BYTES:
        return False
    try:
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except UnicodeDecodeError:
        raise InputError(f"{path}: not UTF-8 text", "save it as a CSV in UTF-8") from None
    return sum(bool(line.strip()) for line in lines) == 1
