"""Live progress on standard error: of a run, of a download."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TransferSpeedColumn,
)

from trackbench.benchmarks.record import FAILURES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from trackbench.benchmarks.options import Options
    from trackbench.benchmarks.plan import Job, Plan
    from trackbench.benchmarks.record import CellRecord

__all__ = ["shown_count", "shown_download", "shown_progress", "shown_steps"]


@contextmanager
def shown_progress(plan: Plan, options: Options) -> Iterator[Callable[[CellRecord, Job], None]]:
    """Show a bar over the plan's cells; what the store holds already counts as done."""
    from trackbench.benchmarks.runner import pending_jobs
    from trackbench.benchmarks.store import Store

    todo = pending_jobs(plan, Store(options.out), options.rerun)
    done = plan.n_cells - sum(len(job.cells) for job in todo)
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(
        *columns, TimeElapsedColumn(), console=console, disable=not console.is_terminal
    ) as bars:
        task = bars.add_task("cells", total=plan.n_cells, completed=done)

        said: set[str] = set()

        def advance(record: CellRecord, job: Job) -> None:
            way = next(cell.combination for cell in job.cells if cell.key == record.key)
            for status in sorted({row.status for row in record.rows} & FAILURES):
                line = f"{' > '.join(way.names[1:])}: {status}"
                if line not in said:
                    said.add(line)
                    console.print(line, markup=False, highlight=False)
            bars.advance(task)

        yield advance


@contextmanager
def shown_download() -> Iterator[Callable[[int], None]]:
    """Show how much has arrived, from the first byte on; nothing where nothing is downloaded."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), DownloadColumn(), TransferSpeedColumn())
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as bars:
        task = bars.add_task("downloading data", total=None, visible=False)
        yield lambda count: bars.update(task, advance=count, visible=True)


@contextmanager
def shown_count(what: str, total: int) -> Iterator[Callable[[int], None]]:
    """Show a bar that counts `what` up to `total`."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(
        *columns, TimeElapsedColumn(), console=console, disable=not console.is_terminal
    ) as bars:
        task = bars.add_task(what, total=total)
        yield lambda count: bars.advance(task, count)


@contextmanager
def shown_steps(total: int) -> Iterator[Callable[[int, float], None]]:
    """Show the steps of a training and its last loss."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(
        *columns, TimeElapsedColumn(), console=console, disable=not console.is_terminal
    ) as bars:
        task = bars.add_task("steps", total=total)
        yield lambda done, loss: bars.update(
            task, completed=done, description=f"steps, loss {loss:.2f}"
        )
