"""``trackbench score``: the table of a store again, without running anything."""

from __future__ import annotations

from pathlib import Path

import click

__all__ = ["command"]


@click.command("score")
@click.argument("store", type=click.Path(path_type=Path, file_okay=False))
@click.option(
    "--summary", type=click.Path(path_type=Path, dir_okay=False), help="Write the table as JSON."
)
@click.option("--all-metrics", is_flag=True, help="Print every metric, not only the headline.")
def command(*, store: Path, summary: Path | None, all_metrics: bool) -> None:
    """Score the predictions of a result store again, without running anything."""
    from trackbench.benchmarks.session import score
    from trackbench.cli.output import check_writable, write_summary
    from trackbench.cli.table import print_summary

    if summary is not None:
        check_writable(summary)
    rows = score(store)
    print_summary(rows, all_metrics=all_metrics)
    if summary is not None:
        write_summary(summary, rows)
