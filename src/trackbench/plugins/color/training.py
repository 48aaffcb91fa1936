"""Fitting of the shipped color model to the train worms."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

import numpy as np

from trackbench.core.atlas import (
    color_of,
    common_names,
    gaussians_by_name,
    named_points,
    presence_by_name,
)
from trackbench.core.color import compressed_color
from trackbench.core.weights import save_fitted
from trackbench.datasets.labeled_heads import labeled_heads
from trackbench.plugins.color.labeler import KIND, VERSION

if TYPE_CHECKING:
    from pathlib import Path

FLOOR: Final = 0.02
"""Added to each variance of compressed color."""


def train(data_dir: Path, output: Path) -> None:
    """Fit one Gaussian of color a name to the train worms and write them.

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
    names = common_names(worms)
    points = [named_points(worm, names) for worm in worms]
    points = [replace(worm, color=compressed_color(color_of(worm))) for worm in points]
    mean, cov = gaussians_by_name([color_of(worm) for worm in points], points, len(names))
    tensors = {
        "color": mean,
        "color_cov": cov + FLOOR * np.eye(3),
        "presence": presence_by_name(points, len(names)),
    }
    save_fitted(output, tensors, kind=KIND, version=VERSION, names=names, worms=worms)
