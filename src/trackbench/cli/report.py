"""``trackbench report``: one HTML file about a result store, and CSV tables beside it."""

from __future__ import annotations

from pathlib import Path

import click

from trackbench.cli.existing import Existing

__all__ = ["command"]

FOLDER = click.Path(path_type=Path, file_okay=False)


@click.command("report")
@click.argument("store", type=FOLDER)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The HTML file; report.html in the store where absent.",
)
@click.option(
    "--tables",
    type=FOLDER,
    help="A folder for per_neuron.csv, per_ganglion.csv, per_lab.csv and paired.csv.",
)
@click.option(
    "--data-dir", type=FOLDER, help="Where wormnd/ lies, for its ganglia; else TRACKBENCH_DATA."
)
@click.option(
    "--history",
    type=Existing("give a file that `trackbench run --history` wrote", folders=False),
    help="Earlier runs to draw, as `trackbench run --history` writes them; else the store's own.",
)
def command(
    *,
    store: Path,
    output: Path | None,
    tables: Path | None,
    data_dir: Path | None,
    history: Path | None,
) -> None:
    """Write a self-contained HTML report of a result store.

    \b
    It opens from the disk without a network: leaderboards with intervals and published
    numbers, accuracy against time, calibration, breakdowns by lab, ganglion and neuron,
    tests between methods, failures with their logs, and the machine.

    \b
    trackbench report trackbench-results
    trackbench report trackbench-results -o report.html --tables report-tables
    """
    from trackbench.benchmarks.report import write_report
    from trackbench.cli.output import check_writable
    from trackbench.datasets.readers.ganglia import known_ganglia

    target = output or store / "report.html"
    if output is not None:
        check_writable(output)
    written = write_report(
        store, target, ganglia=known_ganglia(data_dir), tables=tables, history=history
    )
    for path in written:
        click.echo(f"wrote {path}")
