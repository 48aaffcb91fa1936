"""A picture of every neuron through time: right, wrong, missing, or how sure where no truth is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from trackbench.track.truth import RIGHT, UNKNOWN, VERDICTS

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from trackbench.track.tracks import Tracks
    from trackbench.track.truth import Verdicts

__all__ = ["draw_raster"]

VERDICT_COLORS: Final = ("#ececec", "#2f7fb8", "#d1495b", "#f2c14e")
"""No truth, right, wrong, missing: told apart by color-blind readers and in gray."""

STRETCHED: Final[Mapping[str, Any]] = {"aspect": "auto", "interpolation": "nearest"}

WIDTH_IN: Final = 12.0
ROW_IN: Final = 0.11
LABELED: Final = 60
"""At most so many rows carry a name."""


def draw_raster(path: Path, tracks: Tracks, verdicts: Verdicts | None) -> None:
    """Draw one row a neuron, one column a volume, and the share that is right in each volume.

    Rows are sorted, the best at the top. Without truth the color is the confidence.

    Parameters
    ----------
    path : Path
        A ``.png``, or what else matplotlib can write.
    tracks : Tracks
    verdicts : Verdicts, optional
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    known = verdicts if verdicts is not None and verdicts.known else None
    quality = _quality(tracks, known)
    order = _best_first(quality)
    labeled = range(0, len(order), max(1, -(-len(order) // LABELED)))
    height = 3.0 + ROW_IN * len(labeled)
    figure = Figure(figsize=(WIDTH_IN, height))
    FigureCanvasAgg(figure)
    # margins of a fixed size in inches, whatever the number of rows
    figure.subplots_adjust(0.09, 0.85 / height, 0.98, 1 - 0.5 / height, hspace=0.05)
    top, below = figure.subplots(2, 1, sharex=True, height_ratios=(1, height - 2.35))
    _draw_mean(top, tracks, quality, "share right" if known else "confidence")
    if known:
        _draw_verdicts(below, known.verdict[:, order].T)
        title = f"{known.accuracy:.1%} of {known.known} named neurons right"
    else:
        _draw_confidence(below, tracks.confidence[:, order].T)
        title = f"{(tracks.flags > 0).mean():.1%} of positions found"
    figure.suptitle(f"{tracks.attributes['recording']}: {title}", y=1 - 0.12 / height)
    names = [tracks.label(int(order[row])) for row in labeled]
    below.set_yticks(labeled, names, fontsize=6)
    below.set_xlabel("volume")
    figure.savefig(path, dpi=130)


def _best_first(quality: NDArray[np.float64]) -> NDArray[np.intp]:
    """Order tracks (columns) by their mean, those without any left out."""
    count = np.isfinite(quality).sum(axis=0)
    score = np.nansum(quality, axis=0) / np.maximum(count, 1)
    order: NDArray[np.intp] = np.argsort(-score, kind="stable")
    shown: NDArray[np.intp] = order[count[order] > 0]
    return shown


def _quality(tracks: Tracks, verdicts: Verdicts | None) -> NDArray[np.float64]:
    """Give 1 for right and 0 for wrong or missing, NaN where no truth is; else the confidence."""
    if verdicts is None:
        return tracks.confidence.astype(np.float64)
    unknown = verdicts.verdict == UNKNOWN
    return np.where(unknown, np.nan, (verdicts.verdict == RIGHT).astype(np.float64))


def _draw_verdicts(axes: Axes, verdict: NDArray[np.uint8]) -> None:
    from matplotlib.colors import ListedColormap
    from matplotlib.patches import Patch

    colors = ListedColormap(VERDICT_COLORS)
    axes.imshow(verdict, cmap=colors, vmin=-0.5, vmax=3.5, **STRETCHED)
    patches = [
        Patch(color=color, label=label)
        for color, label in zip(VERDICT_COLORS, VERDICTS, strict=True)
    ]
    axes.figure.legend(handles=patches, loc="lower center", ncols=4, frameon=False)


def _draw_confidence(axes: Axes, confidence: NDArray[np.float32]) -> None:
    image = axes.imshow(confidence, vmin=0, vmax=1, **STRETCHED)
    height = float(axes.figure.bbox.height / axes.figure.dpi)
    bar = axes.figure.add_axes((0.35, 0.25 / height, 0.3, 0.1 / height))
    axes.figure.colorbar(image, cax=bar, orientation="horizontal")
    bar.tick_params(labelsize=7)
    bar.set_ylabel("confidence ", rotation=0, ha="right", va="center")


def _draw_mean(axes: Axes, tracks: Tracks, quality: NDArray[np.float64], meaning: str) -> None:
    count = np.isfinite(quality).sum(axis=1)
    share = np.where(count > 0, np.nansum(quality, axis=1) / np.maximum(count, 1), np.nan)
    axes.plot(share, color="#2f7fb8", linewidth=0.8)
    empty = np.flatnonzero(tracks.status != 0)
    axes.plot(empty, np.zeros(len(empty)), "x", color="#d1495b", markersize=5, clip_on=False)
    axes.set_ylim(0, 1.02)
    axes.set_yticks([0, 0.5, 1])
    axes.set_ylabel(meaning)
    axes.spines[["top", "right"]].set_visible(False)
    if len(empty):
        axes.set_title(f"× {len(empty)} volumes without neurons", fontsize=8, loc="right")
