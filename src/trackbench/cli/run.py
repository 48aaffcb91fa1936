"""``trackbench run``: score plugins on a dataset."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from trackbench.errors import CellsFailedError

if TYPE_CHECKING:
    from trackbench.benchmarks.session import Options

__all__ = ["command"]

FOLDER = click.Path(path_type=Path, file_okay=False)
FILE = click.Path(path_type=Path, dir_okay=False)


@click.command("run")
@click.option("--matchers", default="", metavar="LIST", help="Such as cpd[beta=1|2],nearest.")
@click.option("--labelers", default="", metavar="LIST", help="Such as transfer,vote+color.")
@click.option("--segmenters", default="", metavar="LIST", help="Default: the given points.")
@click.option("--dataset", "datasets", default="", metavar="LIST", help="Such as neuropal.")
@click.option("--protocol", "protocols", default="", metavar="LIST", help="Such as chaudhary.")
@click.option("--split", help="Default: the first split of the protocol.")
@click.option("--data-dir", type=FOLDER, help="Where the data lies; else TRACKBENCH_DATA.")
@click.option("--offline", is_flag=True, help="Never download data.")
@click.option(
    "--out",
    type=FOLDER,
    default=Path("trackbench-results"),
    show_default=True,
    help="The result store; the same command goes on where an interrupted run stopped.",
)
@click.option("--summary", type=FILE, help="Write the table as JSON.")
@click.option("--jobs", type=click.IntRange(0, 1024), help="Workers; 0 runs in this process.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True)
@click.option("--timeout", type=click.FloatRange(0, min_open=True), help="Seconds a cell may take.")
@click.option("--memory", type=click.FloatRange(0, min_open=True), help="GiB a worker may use.")
@click.option("--oracle", is_flag=True, help="Inputs made with the true names; rows are marked.")
@click.option("--rerun-failed", is_flag=True, help="Run cells with failures again.")
@click.option("--timing/--no-timing", default=True, show_default=True, help="Measure s/volume.")
@click.option(
    "--threads",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="Threads of the timing pass.",
)
@click.option("--dry-run", is_flag=True, help="Print the plan and stop.")
def command(*, summary: Path | None, dry_run: bool, **typed: Any) -> None:
    """Score segmenters, matchers and labelers on a dataset.

    \b
    Without options: the default matchers on the embedded worms.
    Exit codes: 0 fine, 2 wrong usage or data (nothing is written), 3 some cells failed.
    """
    from trackbench.benchmarks.session import plan_for, run
    from trackbench.cli.output import check_writable, write_summary
    from trackbench.cli.progress import shown_download, shown_progress
    from trackbench.cli.table import print_plan, print_summary
    from trackbench.core.registry import load_registry

    if summary is not None:
        check_writable(summary)
    options = _options(typed)
    registry = load_registry()
    with shown_download() as received:
        plan = plan_for(registry, options, received)
    if dry_run:
        print_plan(plan, options.out)
        return
    with shown_progress(plan, options.out) as progress:
        rows = run(registry, options, plan, progress)
    print_summary(rows)
    if summary is not None:
        write_summary(summary, rows)
    failed = sum(row.n_failed for row in rows if row.primary)
    if failed:
        raise CellsFailedError(
            f"{failed} of {plan.n_rows} rows failed",
            f"trackbench report {options.out} shows why, --rerun-failed tries them again",
        )


def _options(typed: dict[str, Any]) -> Options:
    from trackbench.benchmarks.executors import Limits
    from trackbench.benchmarks.session import Options
    from trackbench.benchmarks.threads import usable_cores

    timeout, memory = typed.pop("timeout"), typed.pop("memory")
    limits = Limits(memory_gib=memory) if timeout is None else Limits(timeout, memory)
    jobs = typed.pop("jobs")
    return Options(workers=usable_cores() if jobs is None else jobs, limits=limits, **typed)
