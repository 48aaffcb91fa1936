"""Fitting of the shipped atlas to the train worms."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trackbench.core.keys import animal_key
from trackbench.core.statistical_atlas import atlas_of
from trackbench.core.weights import save_weights
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
    output.parent.mkdir(parents=True, exist_ok=True)
    save_weights(
        output,
        atlas.arrays(),
        kind=KIND,
        version=VERSION,
        about={"names": list(atlas.names), "worms": len(worms)},
        trained_on=[animal_key(worm.zyx_um) for worm in worms],
    )
