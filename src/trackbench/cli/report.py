"""``trackbench report``: one HTML file about a result store."""

from __future__ import annotations

from pathlib import Path

import click

__all__ = ["command"]


@click.command("report")
@click.argument("store", type=click.Path(path_type=Path, file_okay=False))
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The HTML file; report.html in the store where absent.",
)
def command(*, store: Path, output: Path | None) -> None:
    """Write a self-contained HTML report of a result store."""
    from trackbench.benchmarks.report import write_report
    from trackbench.cli.output import check_writable

    target = output or store / "report.html"
    if output is not None:
        check_writable(output)
    write_report(store, target)
    click.echo(f"wrote {target}")
