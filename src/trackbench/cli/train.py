"""``trackbench train``: fit what is learned, on train worms alone."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["DATA_DIR", "OUT_FILE", "command", "data_root"]

SUBCOMMANDS: Final = {
    "fdnc": "train_fdnc",
    "identity": "train_identity",
    "tacnn": "train_tacnn",
}
"""Modules of this package with trainings that take long, imported when they are asked for."""

FOLDER = click.Path(path_type=Path, file_okay=False)
FILE = click.Path(path_type=Path, dir_okay=False)

DATA_DIR = click.option(
    "--data-dir", type=FOLDER, help="The folder that holds wormnd/; else TRACKBENCH_DATA."
)
OUT_FILE = click.option("--out", type=FILE, required=True, help="The weights file to write.")


class _TrainGroup(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted({*SUBCOMMANDS, *super().list_commands(ctx)})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in SUBCOMMANDS:
            return super().get_command(ctx, cmd_name)
        module = importlib.import_module(f"trackbench.cli.{SUBCOMMANDS[cmd_name]}")
        found: click.Command = module.command
        return found


@click.group("train", cls=_TrainGroup)
def command() -> None:
    """Train networks and fit atlases: tacnn on your recording, the others on WormND's train worms.

    \b
    What the others write are the files that the package ships. Each file holds the keys of the
    worms or frames that it was made of, so that a benchmark marks a score on one of them as
    contaminated.
    """


def data_root(data_dir: Path | None) -> Path:
    """Give the folder that holds `wormnd/`: the option's, TRACKBENCH_DATA, or a download."""
    from trackbench.datasets.locate import locate

    return locate("wormnd", data_dir=data_dir)


@command.command("atlas")
@DATA_DIR
@OUT_FILE
def atlas(data_dir: Path | None, out: Path) -> None:
    """Fit the statistical atlas of positions and colors."""
    from trackbench.plugins.atlas.training import train

    _fit(train, data_dir, out)


@command.command("color")
@DATA_DIR
@OUT_FILE
def color(data_dir: Path | None, out: Path) -> None:
    """Fit the color model of every name."""
    from trackbench.plugins.color.training import train

    _fit(train, data_dir, out)


@command.command("shapes")
@DATA_DIR
@OUT_FILE
def shapes(data_dir: Path | None, out: Path) -> None:
    """Fit the atlas of head shapes that the semi-synthetic worms are drawn from."""
    from trackbench.datasets.semisynthetic.shape import train

    _fit(train, data_dir, out)


def _fit(train: Callable[[Path, Path], None], data_dir: Path | None, out: Path) -> None:
    out.parent.mkdir(parents=True, exist_ok=True)
    train(data_root(data_dir), out)
    click.echo(f"{out}: {out.stat().st_size / 1024:.0f} KiB")
