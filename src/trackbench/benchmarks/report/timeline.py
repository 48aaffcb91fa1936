"""The history of a protocol's methods through the runs of a store or a branch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from trackbench.benchmarks.changepoints import levels
from trackbench.benchmarks.history import ACCURACY, SPEED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from trackbench.benchmarks.history import Series
    from trackbench.benchmarks.report.sections import Section

__all__ = ["LEAST_RUNS", "timelines"]

LEAST_RUNS: Final = 2
"""Runs without which there is no history to draw."""

MAX_RUNS: Final = 500
"""Latest runs of a method that are drawn."""

READS: Final = (
    "One mark a run, the oldest on the left; the thick line is the level, and a ring marks the "
    "first run of a new one (optimal partitioning of a piecewise mean, so that noise alone seldom "
    "makes a level). "
)
DESCRIBED: Final = {
    ACCURACY: ("Accuracy through the runs", READS + "Higher is better."),
    SPEED: (
        "Speed through the runs",
        READS + "Seconds per volume over those of the calibration kernel in the same process: "
        "lower is better, and another machine is no change of level by itself.",
    ),
}


def timelines(section: Section, history: Sequence[Series]) -> list[dict[str, Any]]:
    """Give a figure of accuracy and one of speed, where there are several runs of any method."""
    place = {entry.who[:6]: k for k, entry in enumerate(section.drawn) if not entry.who[6]}
    drawn = []
    for kind, (title, reads) in DESCRIBED.items():
        own = [
            _series(place[series.names], series)
            for series in history
            if series.kind == kind
            and series.names in place
            and series.metric == section.metric
            and len(series.points) >= LEAST_RUNS
        ]
        if own:
            label = section.metric if kind == ACCURACY else "s/volume over that of the kernel"
            drawn.append(
                {"kind": "runs", "title": title, "reads": reads, "y": label, "series": own}
            )
    return drawn


def _series(k: int, series: Series) -> dict[str, Any]:
    points = series.points[-MAX_RUNS:]
    cut = len(series.points) - len(points)
    values = [point.value for point in points]
    changes = tuple(change - cut for change in series.changes if change > cut)
    return {
        "m": k,
        "times": [point.time for point in points],
        "revisions": [point.revision for point in points],
        "values": [float(f"{value:.5g}") for value in values],
        "changes": list(changes),
        "levels": [float(f"{level:.5g}") for level in levels(np.array(values), changes)],
    }
