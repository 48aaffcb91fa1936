"""``trackbench run``: score plugins on a dataset."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from trackbench.cli.run_file import file_options, parts_of
from trackbench.errors import CellsFailedError, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from trackbench.benchmarks.plan import Plan
    from trackbench.benchmarks.session import Options
    from trackbench.benchmarks.summary import SummaryRow
    from trackbench.core.registry import Registry

__all__ = ["command"]

FOLDER = click.Path(path_type=Path, file_okay=False)
PATH = click.Path(path_type=Path)
FILE = click.Path(path_type=Path, dir_okay=False)


@click.command("run")
@file_options
@click.option("--matchers", default="", metavar="LIST", help="Such as cpd[beta=15|25],nearest.")
@click.option("--labelers", default="", metavar="LIST", help="Such as transfer,vote+color.")
@click.option("--segmenters", default="", metavar="LIST", help="Default: the given points.")
@click.option("--dataset", "datasets", default="", metavar="LIST", help="Such as neuropal.")
@click.option("--protocol", "protocols", default="", metavar="LIST", help="Such as chaudhary.")
@click.option("--split", help="Default: the first split of the protocol.")
@click.option("--data-dir", type=FOLDER, help="Where the data lies; else TRACKBENCH_DATA.")
@click.option("--offline", is_flag=True, help="Never download data.")
@click.option("--skip-missing", is_flag=True, help="Leave out datasets that aren't here.")
@click.option(
    "--out",
    type=FOLDER,
    default=Path("trackbench-results"),
    show_default=True,
    help="The result store; the same command goes on where an interrupted run stopped.",
)
@click.option("--summary", type=FILE, help="Write the table as JSON.")
@click.option("--jobs", type=click.IntRange(0, 1024), help="Workers; 0 runs in this process.")
@click.option(
    "--executor",
    type=click.Choice(["local", "dask"]),
    default="local",
    show_default=True,
    help="Where cells run; dask: a cluster, of this machine without --scheduler.",
)
@click.option("--scheduler", metavar="ADDRESS", help="A Dask scheduler, such as tcp://host:8786.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True)
@click.option("--timeout", type=click.FloatRange(0, min_open=True), help="Seconds a cell may take.")
@click.option("--memory", type=click.FloatRange(0, min_open=True), help="GiB a worker may use.")
@click.option("--oracle", is_flag=True, help="Inputs made with the true names; rows are marked.")
@click.option(
    "--rerun",
    type=click.Choice(["missing", "failed", "all"]),
    default="missing",
    show_default=True,
    help="Which cells to run: those that the store lacks, those with failures too, or all.",
)
@click.option("--only-missing", is_flag=True, help="The same as --rerun missing.")
@click.option(
    "--resume/--no-resume",
    default=True,
    show_default=True,
    help="Go on with what the store has; --no-resume is the same as --rerun all.",
)
@click.option("--timing/--no-timing", default=True, show_default=True, help="Measure s/volume.")
@click.option(
    "--threads",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="Threads of the timing pass.",
)
@click.option(
    "--timing-budget",
    type=click.FloatRange(0, min_open=True),
    default=10.0,
    show_default=True,
    help="Seconds to measure one combination for.",
)
@click.option("--history", type=FILE, help="Add a line here. Default: history.jsonl in the store.")
@click.option("--against", type=PATH, help="A baseline file or store: exit code 1 if worse.")
@click.option("--gates", type=FILE, help="TOML: accuracy, seconds, alpha; for --against.")
@click.option("--plot", type=FILE, help="Picture of swept parameters, as in cpd[beta=15|25].")
@click.option("--dry-run", is_flag=True, help="Print plan, costs and what is cached, and stop.")
@click.pass_context
def command(context: click.Context, /, **typed: Any) -> None:
    """Score segmenters, matchers and labelers on a dataset.

    \b
    Without options: the default matchers on the embedded worms.
    Exit codes: 0 fine, 1 worse than --against, 2 wrong usage or data (nothing is written),
    3 some cells failed, 4 nothing comparable with --against.
    """
    from trackbench.benchmarks.session import plan_for, run
    from trackbench.cli.dry_run import print_plan
    from trackbench.cli.progress import shown_download, shown_progress
    from trackbench.cli.table import print_summary
    from trackbench.core.registry import load_registry

    after = _After(**{name: typed.pop(name) for name in ("summary", "against", "gates", "plot")})
    after.check()
    dry_run = typed.pop("dry_run")
    options = _options({**typed, "parts": parts_of(context)})
    registry = load_registry()
    with shown_download() as received:
        plan = plan_for(registry, options, received)
    after.check_plan(plan)
    for name in plan.left_out:
        click.echo(f"left out: {name}", err=True)
    if dry_run:
        print_plan(plan, options)
        return
    with shown_progress(plan, options) as progress:
        rows = run(registry, options, plan, progress)
    print_summary(rows)
    after.write(rows)
    after.hold(registry, options, plan)
    failed = sum(row.n_failed for row in rows if row.primary)
    if failed:
        raise CellsFailedError(
            f"{failed} of {plan.n_rows} rows failed",
            f"trackbench report {options.out} shows why, --rerun failed tries them again",
        )


@dataclass(frozen=True)
class _After:
    """What is asked for once the table stands."""

    summary: Path | None
    against: Path | None
    gates: Path | None
    plot: Path | None

    def check(self) -> None:
        """Find what can't be written or read before any work is done."""
        from trackbench.benchmarks.compare.gates import read_gates
        from trackbench.benchmarks.compare.resultset import read_results
        from trackbench.cli.output import check_writable

        for path in (self.summary, self.plot):
            if path is not None:
                check_writable(path)
        read_gates(self.gates)
        if self.against is not None:
            read_results(self.against)

    def check_plan(self, plan: Plan) -> None:
        """Find that there will be nothing to draw."""
        from trackbench.benchmarks.sweeps import check_plot

        if self.plot is not None:
            check_plot(self.plot, [way.names for part in plan.parts for way in part.combinations])

    def write(self, rows: Sequence[SummaryRow]) -> None:
        """Write the table and the picture."""
        from trackbench.benchmarks.sweeps import plot_sweeps
        from trackbench.cli.output import write_summary

        if self.summary is not None:
            write_summary(self.summary, rows)
        if self.plot is not None:
            plot_sweeps(rows, self.plot)

    def hold(self, registry: Registry, options: Options, plan: Plan) -> None:
        """Compare with the base."""
        from trackbench.benchmarks.compare.gates import read_gates
        from trackbench.benchmarks.compare.resultset import read_results
        from trackbench.benchmarks.hold import hold
        from trackbench.cli.compare import conclude

        if self.against is not None:
            gates = read_gates(self.gates)
            found = hold(registry, options, plan, read_results(self.against), gates)
            conclude(found, "table", f"{options.out} is worse than {self.against}")


def _options(typed: dict[str, Any]) -> Options:
    from trackbench.benchmarks.executors import Limits
    from trackbench.benchmarks.session import Options
    from trackbench.benchmarks.threads import usable_cores

    timeout, memory = typed.pop("timeout"), typed.pop("memory")
    limits = Limits(memory_gib=memory) if timeout is None else Limits(timeout, memory)
    jobs = typed.pop("jobs")
    typed["rerun"] = _rerun(typed.pop("rerun"), typed.pop("only_missing"), typed.pop("resume"))
    _check_executor(typed["executor"], typed["scheduler"], jobs)
    return Options(workers=usable_cores() if jobs is None else jobs, limits=limits, **typed)


def _check_executor(executor: str, scheduler: str | None, jobs: int | None) -> None:
    if scheduler is not None and executor != "dask":
        raise UsageError("--scheduler is for a Dask cluster", "add --executor dask")
    if executor == "dask" and jobs == 0:
        raise UsageError("--jobs 0 runs in this process", "leave it out, or --executor dask")


def _rerun(rerun: str, only_missing: bool, resume: bool) -> str:
    if only_missing and not resume:
        raise UsageError("--only-missing and --no-resume contradict each other", "give one")
    if only_missing:
        return "missing"
    return rerun if resume else "all"
