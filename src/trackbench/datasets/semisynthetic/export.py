"""Simulated worms as files: one table a view, and a picture."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from trackbench.core.types import PointCloud

__all__ = ["draw_clouds", "write_clouds"]

COLUMNS = ("z_um", "y_um", "x_um", "name")
DRAWN = 8
ACROSS = 4


def write_clouds(folder: Path, clouds: Sequence[PointCloud]) -> None:
    """Write one CSV a cloud, named after its id."""
    folder.mkdir(parents=True, exist_ok=True)
    for cloud in clouds:
        names = cloud.names if cloud.names is not None else ("",) * len(cloud)
        with (folder / f"{cloud.id}.csv").open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(COLUMNS)
            for point, name in zip(cloud.zyx_um, names, strict=True):
                writer.writerow([*(f"{value:.3f}" for value in point), name])


def draw_clouds(picture: Path, clouds: Sequence[PointCloud]) -> None:
    """Draw the first clouds in the plane of the image.

    The same neuron has the same color in every panel; spurious points are gray crosses.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    shown = clouds[:DRAWN]
    names = sorted({name for cloud in shown for name in cloud.names or () if name})
    hue = {name: i / max(1, len(names)) for i, name in enumerate(names)}
    rows = -(-len(shown) // ACROSS)
    figure = Figure(figsize=(3 * ACROSS, 3 * rows), layout="constrained")
    FigureCanvasAgg(figure)
    for place, cloud in enumerate(shown, start=1):
        axes = figure.add_subplot(rows, ACROSS, place)
        labels = np.array(cloud.names if cloud.names is not None else [""] * len(cloud))
        named = labels != ""
        y, x = cloud.zyx_um[:, 1], cloud.zyx_um[:, 2]
        color = [hue[name] for name in labels[named]]
        axes.scatter(x[named], y[named], c=color, cmap="hsv", vmin=0, vmax=1, s=12)
        axes.scatter(x[~named], y[~named], c="0.5", marker="x", s=10)
        axes.set_title(cloud.id, fontsize=8)
        axes.set_aspect("equal")
        axes.set_xlabel("x in µm")
        axes.set_ylabel("y in µm")
    figure.savefig(picture, dpi=100)
