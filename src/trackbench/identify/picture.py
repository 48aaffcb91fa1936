"""Pictures of a named head: a still one (PNG) and one to turn and to point at (HTML)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from trackbench.core.geometry import principal_axes

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from trackbench.core.types import Labels
    from trackbench.identify.naming import Identification

__all__ = ["draw_html", "draw_png", "verdicts"]

COLORS: Final = {
    "right": "#1b7837",
    "wrong": "#c51b3a",
    "named": "#2166ac",
    "no name": "#8c8c8c",
}
FAINTEST: Final = 0.25
"""Opacity of a name of probability 0: still to be seen."""

MARGIN_UM: Final = 10.0


def verdicts(found: Identification, labels: Labels) -> list[str]:
    """Say of each neuron: right or wrong where its file names it, else named or no name."""
    own = found.worm.names or ("",) * len(labels.names)
    return [_verdict(name, truth) for name, truth in zip(labels.names, own, strict=True)]


def _verdict(name: str, truth: str) -> str:
    if not name:
        return "no name"
    if not truth:
        return "named"
    return "right" if name == truth else "wrong"


def _in_body_frame(found: Identification) -> NDArray[np.float64]:
    """Positions with the long axis first: a head lies along the page."""
    points = found.worm.zyx_um.astype(np.float64)
    if len(points) < 2:
        return points - points
    frame: NDArray[np.float64] = (points - points.mean(axis=0)) @ principal_axes(points)[::-1].T
    return frame


def draw_png(path: Path, found: Identification, labels: Labels, title: str) -> None:
    """Draw two views at a right angle; opacity is confidence, color is the verdict.

    Parameters
    ----------
    path : Path
    found : Identification
    labels : Labels
        After abstention.
    title : str
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    points, verdict = _in_body_frame(found), verdicts(found, labels)
    spans = np.ptp(points, axis=0) + MARGIN_UM if len(points) else np.full(3, MARGIN_UM)
    width = 15.0
    height = width * float(spans[1] + spans[2]) / float(spans[0]) + 1.5
    figure = Figure(figsize=(width, min(max(height, 5.0), 30.0)), layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(title)
    views = figure.subplots(2, 1, sharex=True, height_ratios=spans[1:].tolist())
    for axes, across, view in zip(views, (1, 2), ("side", "a quarter turn on"), strict=True):
        _draw_view(axes, points[:, [0, across]], labels, verdict)
        axes.set_ylabel(f"{view} (µm)")
        axes.set_aspect("equal")
    axes.set_xlabel("along the body (µm)")
    marks = views[0].get_legend_handles_labels()
    figure.legend(*marks, loc="outside lower center", ncols=len(COLORS), frameon=False)
    figure.savefig(path, dpi=130)


def _draw_view(
    axes: Any, points: NDArray[np.float64], labels: Labels, verdict: Sequence[str]
) -> None:
    for kind, color in COLORS.items():
        rows = [i for i, item in enumerate(verdict) if item == kind]
        if not rows:
            continue
        shade = _opacity(labels)[rows] if kind != "no name" else 0.5
        size = 42 if kind != "no name" else 16
        axes.scatter(*points[rows].T, s=size, c=color, alpha=shade, label=f"{kind} ({len(rows)})")
    for point, name, shade in zip(points, labels.names, _opacity(labels), strict=True):
        if name:
            axes.annotate(
                name, point, xytext=(3, 3), textcoords="offset points", fontsize=7, alpha=shade
            )


def _opacity(labels: Labels) -> NDArray[np.float64]:
    opacity: NDArray[np.float64] = FAINTEST + (1 - FAINTEST) * labels.probability.astype(np.float64)
    return opacity


def draw_html(path: Path, found: Identification, labels: Labels, title: str) -> None:
    """Draw the head in three dimensions; pointing at a neuron shows its five candidates.

    The file holds all that it needs and opens without a network.

    Parameters
    ----------
    path : Path
    found : Identification
    labels : Labels
        After abstention.
    title : str
    """
    import plotly.graph_objects as go

    points, verdict, hints = _in_body_frame(found), verdicts(found, labels), _hints(found)
    figure = go.Figure()
    for kind, color in COLORS.items():
        rows = [i for i, item in enumerate(verdict) if item == kind]
        if rows:
            shades = [_rgba(color, shade) for shade in _opacity(labels)[rows]]
            figure.add_scatter3d(
                x=points[rows, 0],
                y=points[rows, 1],
                z=points[rows, 2],
                mode="markers+text" if kind != "no name" else "markers",
                text=[labels.names[i] for i in rows],
                hovertext=[hints[i] for i in rows],
                hoverinfo="text",
                marker={"color": shades, "size": 6 if kind != "no name" else 3},
                textfont={"size": 10},
                name=f"{kind} ({len(rows)})",
            )
    figure.update_layout(title=title, scene={"aspectmode": "data"}, template="plotly_white")
    figure.update_scenes(
        xaxis_title="along the body (µm)", yaxis_title="across (µm)", zaxis_title="across (µm)"
    )
    figure.write_html(path, include_plotlyjs=True)


def _rgba(color: str, opacity: float) -> str:
    red, green, blue = (int(color[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red},{green},{blue},{opacity:.2f})"


def _hints(found: Identification) -> list[str]:
    own = found.worm.names or ("",) * len(found.worm)
    return [
        "<br>".join(
            [
                f"neuron {i}" + (f", in the file {truth}" if truth else ""),
                *(f"{name} {p:.1%}" for name, p in best),
            ]
        )
        for i, (best, truth) in enumerate(zip(found.candidates(), own, strict=True))
    ]
