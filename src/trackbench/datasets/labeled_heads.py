"""Labeled heads for fitting and training, by split."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from trackbench.datasets.readers.wormnd import read_wormnd_index, read_wormnd_worm
from trackbench.datasets.splits import Split, neuropal_split
from trackbench.errors import MissingDataError

if TYPE_CHECKING:
    from pathlib import Path

    from trackbench.core.types import PointCloud

__all__ = ["labeled_heads"]

SECTION: Final = "wormnd"


def labeled_heads(data_dir: Path, split: Split) -> tuple[PointCloud, ...]:
    """Read the WormND worms of one split that are on disk, unscored ones included.

    Parameters
    ----------
    data_dir : Path
        The folder that holds `wormnd/`.
    split : {"train", "validation", "test"}

    Returns
    -------
    tuple of PointCloud
        With names, colors and handedness, sorted by id.

    Raises
    ------
    MissingDataError
        No folder, or no worm of the split in it.
    InputError
        A table that can't be used.
    """
    folder = data_dir / SECTION
    entries = [
        entry
        for entry in read_wormnd_index(folder)
        if neuropal_split(entry.id, entry.lab, entry.group) == split
    ]
    if not entries:
        raise MissingDataError(
            f"{folder}: no worm of split {split}", f"run: trackbench data fetch {SECTION}"
        )
    return tuple(read_wormnd_worm(entry) for entry in entries)
