"""``trackbench baseline``: the small file that CI compares with."""

from __future__ import annotations

from pathlib import Path

import click

from trackbench.cli.existing import Existing

__all__ = ["command"]

STORE = Existing("give a folder that `trackbench run --out` made", files=False)


@click.group("baseline")
def command() -> None:
    """Keep the figures that later runs are held against."""


@command.command("update")
@click.argument("store", type=STORE)
@click.argument("baseline", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--keep", is_flag=True, help="Keep what the baseline has and the store has not.")
def update(store: Path, baseline: Path, *, keep: bool) -> None:
    """Write the figures of STORE into BASELINE, a JSON file to commit.

    It holds one score a worm and combination, and speeds beside their references: no positions, no
    names.
    """
    from trackbench.benchmarks.compare.resultset import read_results, write_baseline

    found = read_results(store)
    if keep and baseline.exists():
        found = {**read_results(baseline), **found}
    write_baseline(baseline, found)
    click.echo(f"wrote {len(found)} combinations to {baseline}")
