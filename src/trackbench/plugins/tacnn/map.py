"""The posture map: labelled frames, target frames and their parents."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = ["Map", "draw_map"]


@dataclass(frozen=True, eq=False)
class Map:
    """Frames in posture space.

    Parameters
    ----------
    places : (t, d) array
        Of every frame that isn't empty.
    frames : tuple of int
        Index of each in the recording.
    labelled, targets : tuple of int
        Indices in the recording.
    parents : tuple of tuples of int
        Labelled frames that could be deformed towards each target, the nearest first.
    """

    places: NDArray[np.floating[Any]]
    frames: tuple[int, ...]
    labelled: tuple[int, ...]
    targets: tuple[int, ...]
    parents: tuple[tuple[int, ...], ...]


def draw_map(chart: Map, picture: Path) -> None:
    """Draw the first two components of posture space as a PNG."""
    from matplotlib import colormaps
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.colors import ListedColormap
    from matplotlib.figure import Figure

    plane = np.pad(chart.places, [(0, 0), (0, 2)])[:, :2]
    at = dict(zip(chart.frames, plane, strict=True))
    figure = Figure(figsize=(6, 5), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    greys = ListedColormap(colormaps["Greys"](np.linspace(0.25, 1.0, 256)))
    points = axes.scatter(plane[:, 0], plane[:, 1], c=chart.frames, s=9, cmap=greys)
    figure.colorbar(points, label="frame", shrink=0.6)
    for target, (parent, *_) in zip(chart.targets, chart.parents, strict=True):
        axes.plot(*zip(at[target], at[parent], strict=True), color="tab:blue", lw=0.6, zorder=1)
    groups = (
        (chart.targets, "o", "tab:blue", "target, with a line to the nearest parent"),
        (chart.labelled, "s", "tab:red", "labelled"),
    )
    for frames, marker, color, label in groups:
        if frames:
            spots = np.array([at[t] for t in frames])
            axes.scatter(
                spots[:, 0], spots[:, 1], marker=marker, color=color, s=42, label=label, zorder=2
            )
    for t in (*chart.labelled, *chart.targets):
        axes.annotate(str(t), at[t], xytext=(4, 4), textcoords="offset points", fontsize=7)
    axes.set(xlabel="posture, component 1", ylabel="component 2", title="Postures of the recording")
    axes.legend(loc="best", fontsize=8)
    figure.savefig(picture, dpi=130)
