"""Figures of the report, as plain plotly descriptions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from trackbench.benchmarks.metrics.case import COVERAGES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from trackbench.benchmarks.report_data import Entry, Section

__all__ = ["accuracy_against_time", "per_case", "risk_coverage"]

COLORS: Final = (
    *("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#5d3a9b", "#333333"),
)
"""Told apart by people with any color vision (Okabe and Ito)."""


def accuracy_against_time(section: Section) -> dict[str, Any] | None:
    """Draw mean with interval against seconds per volume, and the Pareto front.

    None where nothing was timed.
    """
    timed = [entry for entry in section.entries if entry.headline["seconds_per_volume"]]
    scored = [entry for entry in timed if entry.headline["mean"] is not None]
    if not scored:
        return None
    front = _pareto([entry for entry in scored if not entry.marks])
    line = {
        "x": [entry.headline["seconds_per_volume"] for entry in front],
        "y": [entry.headline["mean"] for entry in front],
        "mode": "lines",
        "line": {"color": "#999999", "dash": "dot", "shape": "hv"},
        "name": "Pareto front",
        "hoverinfo": "skip",
    }
    points = [_point(entry, _color(section, entry)) for entry in scored]
    layout = _layout("seconds per volume", section.metric)
    layout["xaxis"]["type"] = "log"
    layout["yaxis"]["range"] = [0, 1.02]
    return {"data": [line, *points], "layout": layout}


def per_case(section: Section) -> dict[str, Any] | None:
    """Draw every case of every combination as a point over a box; None where nothing is scored."""
    boxes = [
        {
            "type": "box",
            "name": entry.name,
            "y": [value for _, value in entry.cases],
            "text": [case for case, _ in entry.cases],
            "boxpoints": "all",
            "jitter": 0.6,
            "pointpos": 0,
            "marker": {"size": 4, "opacity": 0.55, "color": _color(section, entry)},
            "line": {"width": 1},
            "fillcolor": "rgba(0,0,0,0)",
            "showlegend": False,
        }
        for entry in section.entries
        if entry.cases
    ]
    layout = _layout("", section.metric)
    layout["yaxis"]["range"] = [-0.02, 1.02]
    return {"data": boxes, "layout": layout} if boxes else None


def risk_coverage(section: Section) -> dict[str, Any] | None:
    """Draw accuracy of the most confident share of the neurons; None where nothing is scored."""
    lines = [
        {
            "x": list(COVERAGES),
            "y": [entry.metrics[f"coverage{percent}"]["mean"] for percent in COVERAGES],
            "mode": "lines+markers",
            "name": entry.name,
            "line": {"color": _color(section, entry)},
        }
        for entry in section.entries
        if "coverage100" in entry.metrics
    ]
    layout = _layout("most confident share of the neurons, %", "accuracy")
    return {"data": lines, "layout": layout} if lines else None


def _point(entry: Entry, color: str) -> dict[str, Any]:
    row = entry.headline
    low, mean, high = row["low"], row["mean"], row["high"]
    return {
        "x": [row["seconds_per_volume"]],
        "y": [mean],
        "error_y": {
            "type": "data",
            "symmetric": False,
            "array": [high - mean],
            "arrayminus": [mean - low],
        },
        "mode": "markers",
        "marker": {
            "size": 11,
            "color": color,
            "symbol": "circle-open" if entry.marks else "circle",
        },
        "name": entry.name,
    }


def _pareto(entries: Sequence[Entry]) -> list[Entry]:
    best = -1.0
    front = []
    for entry in sorted(entries, key=lambda item: item.headline["seconds_per_volume"]):
        if entry.headline["mean"] > best:
            best = entry.headline["mean"]
            front.append(entry)
    return front


def _color(section: Section, entry: Entry) -> str:
    return COLORS[section.entries.index(entry) % len(COLORS)]


def _layout(x: str, y: str) -> dict[str, Any]:
    return {
        "xaxis": {"title": {"text": x}, "automargin": True},
        "yaxis": {"title": {"text": y}, "automargin": True},
        "margin": {"t": 16, "r": 16, "l": 56, "b": 56},
        "height": 420,
        "legend": {"orientation": "h", "y": -0.25},
        "hovermode": "closest",
        "template": "none",
        "font": {"family": "system-ui, sans-serif", "size": 13},
    }
