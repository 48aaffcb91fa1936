"""Fitting of the shipped atlas to the train worms."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from trackbench.core.atlas import (
    ALIGN_RIDGE_UM2,
    align_to_means,
    anatomical_means,
    color_of,
    common_names,
    named_points,
)
from trackbench.core.color import compressed_color
from trackbench.core.keys import animal_key
from trackbench.core.weights import save_weights
from trackbench.datasets.labeled_heads import labeled_heads
from trackbench.plugins.atlas.labeler import KIND, VERSION
from trackbench.plugins.atlas.model import StatisticalAtlas, fit_atlas

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from trackbench.core.types import PointCloud


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


def atlas_of(worms: Sequence[PointCloud]) -> StatisticalAtlas:
    """Fit an atlas to labeled worms with colors.

    Parameters
    ----------
    worms : sequence of PointCloud
    """
    names = common_names(worms)
    points = [named_points(worm, names) for worm in worms]
    means = anatomical_means(points, names)
    aligned = [
        replace(
            worm,
            zyx_um=align_to_means(worm, means, ridge=ALIGN_RIDGE_UM2)(worm.zyx_um),
            color=compressed_color(color_of(worm)),
        )
        for worm in points
    ]
    return fit_atlas(aligned, names)
