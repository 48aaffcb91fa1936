"""Fitting of the shipped atlas to the train worms."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trackbench.core.statistical_atlas import atlas_of
from trackbench.core.weights import save_fitted
from trackbench.datasets.labeled_heads import labeled_heads
from trackbench.plugins.atlas.labeler import KIND, VERSION

if TYPE_CHECKING:
    from pathlib import Path


def train(data_dir: Path, output: Path) -> None:
    """Fit the atlas to the train worms and write it.

    Parameters
    ----------
    data_dir : Path
        The folder that holds `wormnd/`.
    output : Path
        The safetensors file to write.

    Raises
    ------
    MissingDataError
        No train worm on disk.
    """
    worms = labeled_heads(data_dir, "train")
    atlas = atlas_of(worms)
    save_fitted(output, atlas.arrays(), kind=KIND, version=VERSION, names=atlas.names, worms=worms)
