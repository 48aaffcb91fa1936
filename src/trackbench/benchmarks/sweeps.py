"""Sweeps: accuracy and s/volume of one plugin against a parameter that was given many values."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from trackbench.benchmarks.atomic import write_atomically
from trackbench.benchmarks.combination import GIVEN_POINTS, NO_MATCHER
from trackbench.core.spec import Spec, parse_combination, parse_specs
from trackbench.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from matplotlib.axes import Axes

    from trackbench.benchmarks.summary import SummaryRow

__all__ = ["Sweep", "check_plot", "find_sweeps", "plot_sweeps"]


@dataclass(frozen=True)
class Sweep:
    """Rows that differ in one parameter alone.

    Parameters
    ----------
    name : str
        The way through the pipeline, without the parameter.
    parameter : str
        Such as "cpd beta".
    where : str
        Protocol and split.
    metric : str
    values : tuple of str
        As typed; in rising order where all are numbers.
    rows : tuple of SummaryRow
        One a value.
    """

    name: str
    parameter: str
    where: str
    metric: str
    values: tuple[str, ...]
    rows: tuple[SummaryRow, ...]


def find_sweeps(rows: Sequence[SummaryRow]) -> list[Sweep]:
    """Find the swept parameters among the headline rows of a table, in the table's order."""
    found: dict[tuple[str, ...], list[tuple[str, SummaryRow]]] = {}
    for row in rows:
        if row.primary and row.mean is not None:
            for name, parameter, value in _left_out((row.segmenter, row.matcher, row.labeler)):
                where = f"{row.dataset} {row.protocol} ({row.split})"
                key = (name, parameter, where, row.metric)
                found.setdefault(key, []).append((value, row))
    return [_sweep(key, items) for key, items in found.items() if len(items) > 1]


def check_plot(path: Path, ways: Iterable[tuple[str, str, str]]) -> None:
    """Say before a run whether `plot_sweeps` will have something to draw.

    Parameters
    ----------
    path : Path
        The picture.
    ways : iterable of (segmenter, matcher, labeler)

    Raises
    ------
    UsageError
        No parameter has several values, or the picture's ending is unknown.
    """
    from matplotlib.figure import Figure

    if path.suffix.lstrip(".") not in Figure().canvas.get_supported_filetypes():
        raise UsageError(f"can't draw {path}", "give it the ending .png, .svg or .pdf")
    values: dict[tuple[str, str], set[str]] = {}
    for way in ways:
        for name, parameter, value in _left_out(way):
            values.setdefault((name, parameter), set()).add(value)
    if not any(len(found) > 1 for found in values.values()):
        raise UsageError("no parameter was given several values", "write cpd[beta=15|20|25]")


def plot_sweeps(rows: Sequence[SummaryRow], path: Path) -> None:
    """Draw every sweep: accuracy with its interval above, s/volume below.

    Parameters
    ----------
    rows : sequence of SummaryRow
    path : Path
        See `check_plot`. Not written where no two values were scored.

    Raises
    ------
    StoreError
        The file can't be written.
    """
    from matplotlib.figure import Figure

    sweeps = find_sweeps(rows)
    if not sweeps:
        return
    panels: dict[tuple[str, str], list[Sweep]] = {}
    for sweep in sweeps:
        panels.setdefault((sweep.parameter, sweep.where), []).append(sweep)
    figure = Figure(figsize=(4.2 * len(panels), 5.2), layout="constrained")
    axes = figure.subplots(2, len(panels), squeeze=False)
    for column, (above, below) in zip(panels.values(), axes.T, strict=True):
        _draw(column, above, below)
    ending = path.suffix.lstrip(".")
    write_atomically(path, lambda file: figure.savefig(file, format=ending, dpi=150))


def _left_out(way: tuple[str, str, str]) -> Iterator[tuple[str, str, str]]:
    """Give, for each parameter of a way, the way without it, the parameter and its value."""
    segmenter, matcher, labeler = way
    ways = [
        parse_specs(segmenter),
        [] if matcher == NO_MATCHER else parse_specs(matcher),
        *[list(total) for total in parse_combination(labeler)],
    ]
    flat = [spec for way in ways for spec in way]
    for i, spec in enumerate(flat):
        for key, value in spec.parameters:
            rest = tuple(item for item in spec.parameters if item[0] != key)
            others = [*flat[:i], Spec(spec.name, rest), *flat[i + 1 :]]
            name = " > ".join(str(item) for item in others if item.name != GIVEN_POINTS)
            yield name, f"{spec.name} {key}", value


def _sweep(key: tuple[str, ...], items: list[tuple[str, SummaryRow]]) -> Sweep:
    with contextlib.suppress(ValueError):  # words have no order but the typed one
        items = sorted(items, key=lambda item: float(item[0]))
    values, rows = zip(*items, strict=True)
    name, parameter, where, metric = key
    return Sweep(name, parameter, where, metric, values, rows)


def _draw(sweeps: Sequence[Sweep], above: Axes, below: Axes) -> None:
    """Draw the sweeps of one parameter on one protocol, a line each."""
    for i, sweep in enumerate(sweeps):
        _draw_accuracy(sweep, above, f"C{i}")
        _draw_seconds(sweep, below, f"C{i}")
    first = sweeps[0]
    title = first.name if len(sweeps) == 1 else f"{len(sweeps)} combinations"
    above.set_title(f"{title}\n{first.where}", fontsize="small")
    above.set_ylabel(f"{first.metric}, 95 % interval")
    below.set_ylabel("s/volume")
    below.set_ylim(0, 1.1 * below.get_ylim()[1])
    if len(sweeps) > 1:
        above.legend(fontsize="x-small")
    for axes in (above, below):
        axes.set_xticks(_places(first), first.values)
        axes.set_xlabel(first.parameter)
        axes.grid(alpha=0.3)


def _draw_accuracy(sweep: Sweep, axes: Axes, color: str) -> None:
    means = [row.mean or 0.0 for row in sweep.rows]
    bounds = [
        (mean - (mean if row.low is None else row.low), (row.high or mean) - mean)
        for mean, row in zip(means, sweep.rows, strict=True)
    ]
    axes.errorbar(
        _places(sweep),
        means,
        list(zip(*bounds, strict=True)),
        marker="o",
        capsize=3,
        color=color,
        label=sweep.name,
    )


def _draw_seconds(sweep: Sweep, axes: Axes, color: str) -> None:
    timed = [
        (place, row.seconds_per_volume)
        for place, row in zip(_places(sweep), sweep.rows, strict=True)
        if row.seconds_per_volume is not None
    ]
    if timed:
        axes.plot(*zip(*timed, strict=True), marker="o", color=color)
        axes.margins(y=0.2)
    else:
        axes.text(0.5, 0.5, "not measured", ha="center", transform=axes.transAxes)


def _places(sweep: Sweep) -> list[float]:
    try:
        return [float(value) for value in sweep.values]
    except ValueError:
        return [float(i) for i in range(len(sweep.values))]
