"""``trackbench store``: the size of a result store, and what of it can go."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import click

__all__ = ["command"]

FOLDER: Final = click.Path(path_type=Path, file_okay=False)


@click.group("store")
def command() -> None:
    """Say what a result store holds; remove what is stale."""


@command.command("size")
@click.argument("store", type=FOLDER)
def size(store: Path) -> None:
    """Print what STORE holds, part by part.

    Stale cells are those of plugins or data that have changed since: no table shows them. They
    would be used again if the old version came back.
    """
    from trackbench.benchmarks.housekeeping import shares
    from trackbench.benchmarks.store import Store

    found = shares(Store.open(store))
    for share in found:
        _print(share.name, share.n_files, share.n_bytes)
    _print("all", sum(share.n_files for share in found), sum(share.n_bytes for share in found))


@command.command("prune")
@click.argument("store", type=FOLDER)
@click.option(
    "--stages", is_flag=True, help="Remove stage outputs as well; they can be made again."
)
def prune(store: Path, *, stages: bool) -> None:
    """Remove from STORE the cells that no table shows.

    What `trackbench score` and `trackbench report` show stays the same. No run may write to the
    store meanwhile.
    """
    from trackbench.benchmarks import housekeeping
    from trackbench.benchmarks.store import Store

    opened = Store.open(store)
    with opened.lock():
        share = housekeeping.prune(opened, stages=stages)
    _print(share.name, share.n_files, share.n_bytes)


def _print(name: str, n_files: int, n_bytes: int) -> None:
    click.echo(f"{name:<32}{n_files:>9} files{n_bytes / 1e6:>12.2f} MB")
