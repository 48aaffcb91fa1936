"""What ``trackbench run --dry-run`` prints: the plan, what is cached, and about what it costs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Table

from trackbench.cli.table import console

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from trackbench.benchmarks.cost import Cost
    from trackbench.benchmarks.options import Options
    from trackbench.benchmarks.plan import Plan

__all__ = ["print_plan"]


def print_plan(plan: Plan, options: Options) -> None:
    """Print what a run would do, what is there already, and an estimate of the time."""
    from trackbench.benchmarks.cost import estimate

    costs = estimate(plan, options)
    out = console()
    for part in plan.parts:
        task = part.task
        known = "" if task.n_expected is None else f" of {task.n_expected}"
        out.print(
            f"{task.dataset} {task.protocol.name} {task.split}: {len(task.cases)}{known} cases, "
            f"{len(part.chunks)} chunks",
            highlight=False,
            markup=False,
        )
        out.print(_table([cost for cost in costs if cost.part is part]))
    cells = plan.n_cells
    todo = _cells_to_run(plan, options)
    size = f"{cells} cells, {plan.n_rows} rows, {plan.n_stage_runs} stage runs"
    there = f"{cells - todo} cells are in {options.out}, {todo} to run"
    out.print(f"{size}; {there}", highlight=False, markup=False)
    out.print(_total(costs, options), highlight=False, markup=False)


def _table(costs: Sequence[Cost]) -> Table:
    table = Table(box=None, pad_edge=True, show_header=True, header_style="")
    table.add_column("  combination", overflow="fold")
    for name in ("cached", "to run", "about"):
        table.add_column(name, justify="right")
    for cost in costs:
        about = "-" if not cost.n_pending else _duration(cost.seconds)
        table.add_row(
            "  " + " > ".join(cost.way.names).replace("[", r"\["),
            str(cost.n_cases - cost.n_pending),
            str(cost.n_pending),
            about,
        )
    return table


def _cells_to_run(plan: Plan, options: Options) -> int:
    from trackbench.benchmarks.runner import pending_jobs
    from trackbench.benchmarks.store import Store

    jobs = pending_jobs(plan, Store(options.out), options.rerun)
    return sum(len(job.cells) for job in jobs)


def _total(costs: Sequence[Cost], options: Options) -> str:
    workers = max(options.workers, 1)
    cells = _sum(cost.seconds for cost in costs if cost.n_pending) / workers
    timing = _sum(cost.timing_s for cost in costs)
    unknown = sorted(
        {
            " > ".join(cost.way.names[1:])
            for cost in costs
            if (cost.n_pending and cost.seconds is None) or cost.timing_s is None
        }
    )
    on = f"{workers} worker{'s' if workers > 1 else ''}"
    known = f"{_duration(cells)} of cells on {on}, {_duration(timing)} of timing"
    if unknown:
        return f"{known}, and an unknown time for {', '.join(unknown)}"
    return f"about {_duration(cells + timing)}: {known}"


def _sum(seconds: Iterable[float | None]) -> float:
    return sum(value for value in seconds if value is not None)


def _duration(seconds: float | None) -> str:
    if seconds is None:
        return "unknown"
    if seconds < 100:
        return f"{seconds:.2g} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"
