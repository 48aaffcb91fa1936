"""What the figures of a report hold, as plain values; the page's script draws them.

Every figure is a mapping with `kind` (which drawing), `title`, `reads` (one sentence that says
how to read it) and its values. Methods are named by their place among the drawn ones.
"""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from trackbench.benchmarks.metrics.case import ECE_BINS
from trackbench.benchmarks.report.neurons import SHARES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from trackbench.benchmarks.report.neurons import Neurons
    from trackbench.benchmarks.report.sections import Entry, Section

__all__ = ["MAX_POINTS", "figures"]

MAX_POINTS: Final = 400
"""Cases that a figure shows of one method; more are thinned evenly."""

RASTERS: Final = 4
"""Methods that a raster is drawn of."""

RASTER_NEURONS: Final = 160
"""Neurons of a raster; of more, the most often annotated ones are shown."""

LEAST_IN_BIN: Final = 10
"""Names that a bin of probability must hold to be drawn."""

DIGITS: Final = 4
STATES: Final = ".rwu"
"""Absent, right, wrong, unnamed: letters of the raster, by their number in `Neurons.raster`."""


def figures(section: Section) -> list[dict[str, Any]]:
    """Give the figures of a protocol that there is anything to draw for."""
    drawn = (
        _accuracy_against_time(section),
        _every_case(section),
        _risk_coverage(section),
        _calibration(section),
        _cumulative_error(section),
        _raster(section),
    )
    return [figure for figure in drawn if figure is not None]


def _accuracy_against_time(section: Section) -> dict[str, Any] | None:
    timed = [
        (k, entry)
        for k, entry in enumerate(section.drawn)
        if entry.headline["seconds_per_volume"] is not None
    ]
    if not timed:
        return None
    points = [
        {
            "m": k,
            "x": _significant(entry.headline["seconds_per_volume"]),
            **{name: _rounded(entry.headline[source]) for name, source in _ESTIMATE.items()},
        }
        for k, entry in timed
    ]
    return {
        "kind": "time",
        "title": "Accuracy against time",
        "reads": "Up and left is better. The dotted line joins the methods that no other one beats "
        "in both; bars are 95 % intervals, hollow marks are rows that may not be quoted, dashed "
        "lines are published numbers in the same metric (their times were not measured here).",
        "x": "seconds per volume",
        "y": section.metric,
        "points": points,
        "front": _front([entry for _, entry in timed]),
        "levels": [
            {"label": item["method"], "y": _rounded(item["value"])}
            for item in section.published
            if item["metric"] == section.metric
        ],
    }


_ESTIMATE: Final = {"y": "mean", "low": "low", "high": "high"}


def _front(entries: Sequence[Entry]) -> list[tuple[float, float]]:
    """Corners of the Pareto front of the methods that may be quoted, the fastest first."""
    best = -np.inf
    front = []
    quotable = [entry for entry in entries if not entry.marks]
    for entry in sorted(quotable, key=lambda item: float(item.headline["seconds_per_volume"])):
        mean = entry.headline["mean"]
        if mean > best:
            best = mean
            seconds = _significant(entry.headline["seconds_per_volume"])
            front.append((seconds, _rounded(mean)))
    return front


def _every_case(section: Section) -> dict[str, Any] | None:
    rows = []
    for k, entry in enumerate(section.drawn):
        if entry.cases is not None and len(entry.cases.ids) > 1:
            values = entry.cases.values
            kept = _thinned(len(values))
            rows.append(
                {
                    "m": k,
                    "values": _list(values[kept]),
                    "cases": [str(case) for case in entry.cases.ids[kept]],
                    "box": _list(np.quantile(values, [0.05, 0.25, 0.5, 0.75, 0.95])),
                }
            )
    if not rows:
        return None
    return {
        "kind": "cases",
        "title": "Every case",
        "reads": "One mark a case; the bar spans the middle half, its notch is the median, the "
        "line reaches from the 5th to the 95th percentile. Point at a mark to find the same case "
        "under every method.",
        "x": section.metric,
        "rows": rows,
    }


def _risk_coverage(section: Section) -> dict[str, Any] | None:
    series = [
        {"m": k, "x": list(SHARES), "y": _list(own.coverage)} for k, own in _detailed(section)
    ]
    return _lines(
        series,
        title="Accuracy of the surest neurons",
        reads="Rank the neurons of a case by the probability that came with each name and keep "
        "the surest share: a curve that falls to the right means that the probabilities say which "
        "names to trust.",
        x="surest share of the neurons, %",
        y="accuracy",
    )


def _calibration(section: Section) -> dict[str, Any] | None:
    series = []
    for k, own in _detailed(section):
        count, confidence, right = own.calibration
        full = count >= min(LEAST_IN_BIN, count.max(initial=1))
        series.append(
            {
                "m": k,
                "x": _list(confidence[full] / count[full]),
                "y": _list(right[full] / count[full]),
                "n": [int(n) for n in count[full]],
            }
        )
    return _lines(
        series,
        title="Calibration",
        reads=f"Names in {ECE_BINS} bins of their probability: on the diagonal, names given with "
        "probability 0.8 are right in 80 % of the cases; below it a method is surer than it may "
        f"be. Bins of fewer than {LEAST_IN_BIN} names are not drawn.",
        x="probability given",
        y="share right",
        diagonal=True,
        unit=True,
    )


def _cumulative_error(section: Section) -> dict[str, Any] | None:
    series = []
    for k, own in _detailed(section):
        error = np.sort(own.error[own.covered])
        if len(error):
            levels, last = np.unique(error.round(DIGITS), return_index=True)
            below = np.append(last[1:], len(error)) / len(error)
            series.append({"m": k, "x": [0.0, *_list(levels), 1.0], "y": [0.0, *_list(below), 1.0]})
    return _lines(
        series,
        title="Cumulative error of the neurons",
        reads="Share of the neurons whose own error rate is at most x, over the neurons annotated "
        "in at least a third of the cases (Yu et al. 2021, Fig. 3D): the higher on the left, the "
        "more neurons can be relied on.",
        x="error rate of a neuron",
        y="share of the neurons",
        unit=True,
        steps=True,
    )


def _raster(section: Section) -> dict[str, Any] | None:
    detailed = _detailed(section)[:RASTERS]
    if not detailed or len(detailed[0][1].cases) < 2:
        return None
    first = detailed[0][1]
    common = np.argsort(-first.n, kind="stable")[:RASTER_NEURONS]
    order = common[np.argsort(first.error[common], kind="stable")]
    names = [str(name) for name in first.names[order]]
    cases = [str(case) for case in first.cases[_thinned(len(first.cases))]]
    columns = "volumes in the order of the recording" if section.one_animal else "cases"
    return {
        "kind": "raster",
        "title": "Identity over time" if section.one_animal else "Neuron by neuron, case by case",
        "reads": f"A row is a neuron, the best first; a column is one of the {columns}. Horizontal "
        "streaks are neurons that a method loses, vertical ones are cases that it fails as a "
        "whole.",
        "names": names,
        "cases": cases,
        "layers": [{"m": k, "rows": _packed(own, names, cases)} for k, own in detailed],
    }


def _packed(own: Neurons, names: Sequence[str], cases: Sequence[str]) -> list[str]:
    """Write each row as runs: ``12r3w`` is twelve times right, then three times wrong."""
    row_of = {str(name): i for i, name in enumerate(own.names)}
    column_of = {str(case): i for i, case in enumerate(own.cases)}
    # One more row and column, of absent neurons, stands for names and cases that it lacks.
    padded = np.pad(own.raster, ((0, 1), (0, 1)))
    rows = [row_of.get(name, -1) for name in names]
    columns = [column_of.get(case, -1) for case in cases]
    picked = padded[np.ix_(rows, columns)]
    return ["".join(_run(state, len(list(same))) for state, same in groupby(row)) for row in picked]


def _run(state: int, length: int) -> str:
    return f"{length if length > 1 else ''}{STATES[state]}"


def _lines(series: list[dict[str, Any]], **described: Any) -> dict[str, Any] | None:
    return {"kind": "lines", **described, "series": series} if series else None


def _detailed(section: Section) -> list[tuple[int, Neurons]]:
    return [(k, entry.neurons) for k, entry in enumerate(section.drawn) if entry.neurons]


def _thinned(n: int) -> NDArray[np.intp]:
    return np.unique(np.linspace(0, n - 1, min(MAX_POINTS, n)).astype(np.intp))


def _list(values: NDArray[np.float64]) -> list[float]:
    return [_rounded(value) for value in values]


def _rounded(value: float) -> float:
    return round(float(value), DIGITS)


def _significant(value: float) -> float:
    return float(f"{value:.{DIGITS}g}")
