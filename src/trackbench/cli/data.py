"""``trackbench data``: which real worms are here, get them, check them."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from trackbench.datasets.registry import Source

__all__ = ["command"]

MIB = 2**20

_SECTIONS = click.argument("sections", nargs=-1, metavar="[NAME]...")
_DATA_DIR = click.option(
    "--data-dir",
    type=click.Path(path_type=Path),
    help="Folder of all data, one folder a name; else TRACKBENCH_DATA, else the user's cache.",
)


@click.group("data")
def command() -> None:
    """List, download and check the public recordings that the datasets are made of."""


@command.command("list")
@_DATA_DIR
@click.option("-v", "--verbose", is_flag=True, help="Licence, citation and address as well.")
def list_data(data_dir: Path | None, *, verbose: bool) -> None:
    """List what there is, where it lies, and how much of it is here."""
    from trackbench.datasets.fetch import missing_files

    for source in _sources(()):
        folder = _folder(source.name, data_dir)
        total = f"{len(source.files)} files, {source.size / MIB:.1f} MiB"
        if folder is None:
            here = f"not here: trackbench data fetch {source.name}"
        else:
            present = len(source.files) - len(missing_files(source, folder))
            here = f"{present} of {len(source.files)} in {folder}"
        click.echo(f"{source.name:<14} {total:<24} {here}")
        if verbose:
            click.echo(f"    licence: {source.licence}\n    cite: {source.cite}")
            click.echo(f"    from: {source.base}")


@command.command("fetch")
@_SECTIONS
@_DATA_DIR
@click.option("--offline", is_flag=True, help="Use no network: complain if something is missing.")
def fetch_data(sections: tuple[str, ...], data_dir: Path | None, *, offline: bool) -> None:
    """Download what is missing of NAME (all, if none is named) and check every sha256.

    An interrupted download goes on where it stopped.

    \b
      trackbench data fetch wormnd
      trackbench data fetch --data-dir DIR
    """
    from trackbench.datasets.fetch import fetch

    root = _root_to_fill(data_dir)
    for source in _sources(sections):
        folder = root / source.name
        with _progress_bar(source, folder) as progress:
            fetch(source, folder, offline=offline, progress=progress)
        click.echo(f"{source.name}: {len(source.files)} files in {folder}")


@command.command("verify")
@_SECTIONS
@_DATA_DIR
def verify_data(sections: tuple[str, ...], data_dir: Path | None) -> None:
    """Compare the files of NAME (all, if none is named) with their pinned sha256."""
    from collections import Counter

    from trackbench.datasets.fetch import file_states
    from trackbench.errors import InputError

    altered = []
    for source in _sources(sections):
        folder = _folder(source.name, data_dir)
        if folder is None:
            click.echo(f"{source.name}: not here")
            continue
        states = list(file_states(source, folder))
        altered += [folder / file.path for file, state in states if state == "altered"]
        count = Counter(state for _, state in states)
        click.echo(
            f"{source.name}: {count['ok']} ok, {count['missing']} missing, "
            f"{count['altered']} altered in {folder}"
        )
    for path in altered:
        click.echo(f"altered: {path}")
    if altered:
        raise InputError(
            f"{len(altered)} altered: not as the registry pins them",
            "trackbench data fetch replaces them",
        )


def _sources(names: tuple[str, ...]) -> list[Source]:
    from trackbench.datasets.registry import load_sources, source_named

    return [source_named(name) for name in names or load_sources()]


def _folder(section: str, data_dir: Path | None) -> Path | None:
    """Give the folder of a section; a named folder may lack some sections."""
    from trackbench.datasets.locate import find
    from trackbench.errors import MissingDataError

    if data_dir is None:
        root = find(section)
        return None if root is None else root / section
    if not data_dir.is_dir():
        raise MissingDataError(f"{data_dir}: no such folder", "mend --data-dir")
    return data_dir / section if (data_dir / section).is_dir() else None


def _root_to_fill(data_dir: Path | None) -> Path:
    import os

    from trackbench.datasets.locate import DATA_VARIABLE, cache_folder

    variable = os.environ.get(DATA_VARIABLE)
    return data_dir or (Path(variable) if variable else cache_folder())


@contextmanager
def _progress_bar(source: Source, folder: Path) -> Iterator[Callable[[int], None]]:
    """Show on the terminal's standard error how much of a source has arrived."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TransferSpeedColumn

    from trackbench.datasets.fetch import missing_files

    total = sum(file.size for file in missing_files(source, folder))
    columns = ("{task.description}", BarColumn(), DownloadColumn(), TransferSpeedColumn())
    console = Console(stderr=True)
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as bar:
        task = bar.add_task(source.name, total=total)
        yield lambda count: bar.advance(task, count)
