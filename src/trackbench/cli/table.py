"""Tables on the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from trackbench.benchmarks.combination import way

if TYPE_CHECKING:
    from collections.abc import Sequence

    from trackbench.benchmarks.summary import SummaryRow

__all__ = ["console", "print_summary"]

SHOWN = frozenset({"detection_recall", "detection_f1"})
"""Metrics that have a line beside the headline, where a segmenter found the points."""

WIDTH = 140
"""Columns where the output is no terminal: a table in a log isn't cut."""


def print_summary(rows: Sequence[SummaryRow], *, all_metrics: bool = False) -> None:
    """Print a line a group with its headline metric, two more for a segmenter, or one a metric."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    for name in ("plugin", "protocol", "metric"):
        table.add_column(name, overflow="fold")
    for name in ("mean", "95 % interval", "n", "s/volume"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("rows")
    for row in rows:
        if row.primary or row.metric in SHOWN or all_metrics:
            table.add_row(*_cells(row))
    out = console()
    out.print(table)
    for line in _footnotes(rows):
        out.print(line, highlight=False)


def console() -> Console:
    """Give standard output, wide where it is no terminal."""
    found = Console()
    return found if found.is_terminal else Console(width=WIDTH)


def _cells(row: SummaryRow) -> tuple[str, ...]:
    marks = "".join(mark for mark, on in ((" †", row.oracle), (" ‡", row.contaminated)) if on)
    of = "" if row.n_expected is None else f" of {row.n_expected}"
    unit = "1 animal" if row.n_animals == 1 else f"{row.n_animals} animals"
    return (
        way(row.segmenter, row.matcher, row.labeler).replace("[", r"\[") + marks,
        f"{row.protocol} ({row.split})",
        row.metric,
        "-" if row.mean is None else f"{row.mean:.4f}",
        "-" if row.low is None or row.high is None else f"{row.low:.4f} to {row.high:.4f}",
        f"{row.n_cases}{of} ({unit})",
        "-" if row.seconds_per_volume is None else f"{row.seconds_per_volume:.2g}",
        ", ".join(f"{n} {status}" for status, n in row.statuses.items()),
    )


def _footnotes(rows: Sequence[SummaryRow]) -> list[str]:
    found = []
    if any(row.oracle for row in rows):
        found.append("† an oracle: knew of the true names; never in a headline")
    if any(row.contaminated for row in rows):
        found.append("‡ contaminated: its weights saw the test animal; never in a headline")
    if any(row.n_expected is not None and row.n_planned < row.n_expected for row in rows):
        found.append("n of a larger number: a part of the public data; no headline for the whole")
    if any(row.n_animals == 1 for row in rows):
        found.append("with one animal alone the interval is over its cases")
    return found
