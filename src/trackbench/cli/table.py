"""Tables on the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from trackbench.benchmarks.plan import Plan
    from trackbench.benchmarks.summary import SummaryRow

__all__ = ["print_plan", "print_summary"]

WIDTH = 140
"""Columns where the output is no terminal: a table in a log isn't cut."""


def print_summary(rows: Sequence[SummaryRow], *, all_metrics: bool = False) -> None:
    """Print a line a group with its headline metric, or one a metric."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    for name in ("plugin", "protocol", "metric"):
        table.add_column(name, overflow="fold")
    for name in ("mean", "95 % interval", "n", "s/volume"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("rows")
    for row in rows:
        if row.primary or all_metrics:
            table.add_row(*_cells(row))
    console = _console()
    console.print(table)
    for line in _footnotes(rows):
        console.print(line, highlight=False)


def print_plan(plan: Plan, out: Path) -> None:
    """Print what a run would do and what is there already."""
    from trackbench.benchmarks.runner import pending_jobs
    from trackbench.benchmarks.store import Store

    console = _console()
    for part in plan.parts:
        task = part.task
        known = "" if task.n_expected is None else f" of {task.n_expected}"
        console.print(
            f"{task.dataset} {task.protocol.name} {task.split}: {len(task.cases)}{known} cases, "
            f"{len(part.chunks)} chunks",
            highlight=False,
        )
        for item in part.combinations:
            console.print("  " + " > ".join(item.names), highlight=False, markup=False)
    todo = sum(len(job.cells) for job in pending_jobs(plan, Store(out)))
    console.print(
        f"{plan.n_cells} cells, {plan.n_rows} rows, {plan.n_stage_runs} stage runs; "
        f"{plan.n_cells - todo} cells are in {out}, {todo} to run",
        highlight=False,
    )


def _console() -> Console:
    console = Console()
    return console if console.is_terminal else Console(width=WIDTH)


def _cells(row: SummaryRow) -> tuple[str, ...]:
    marks = "".join(mark for mark, on in ((" †", row.oracle), (" ‡", row.contaminated)) if on)
    of = "" if row.n_expected is None else f" of {row.n_expected}"
    unit = "1 animal" if row.n_animals == 1 else f"{row.n_animals} animals"
    return (
        _plugin(row).replace("[", r"\[") + marks,
        f"{row.protocol} ({row.split})",
        row.metric,
        "-" if row.mean is None else f"{row.mean:.4f}",
        "-" if row.low is None or row.high is None else f"{row.low:.4f} to {row.high:.4f}",
        f"{row.n_cases}{of} ({unit})",
        "-" if row.seconds_per_volume is None else f"{row.seconds_per_volume:.2g}",
        ", ".join(f"{n} {status}" for status, n in row.statuses.items()),
    )


def _plugin(row: SummaryRow) -> str:
    parts = [row.matcher] if row.segmenter == "truth" else [row.segmenter, row.matcher]
    return " > ".join([*parts, row.labeler])


def _footnotes(rows: Sequence[SummaryRow]) -> list[str]:
    found = []
    if any(row.oracle for row in rows):
        found.append("† an oracle: knew of the true names; never in a headline")
    if any(row.contaminated for row in rows):
        found.append("‡ contaminated: its weights saw the test animal; never in a headline")
    if any(row.n_animals == 1 for row in rows):
        found.append("with one animal alone the interval is over its cases")
    return found
