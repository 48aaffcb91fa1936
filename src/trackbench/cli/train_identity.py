"""``trackbench train identity``: train the ensemble that names neurons."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from trackbench.cli.train import DATA_DIR, FILE, FOLDER, data_root

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["command"]


@click.command("identity")
@click.option("--config", "config_file", type=FILE, help="TOML; default: the shipped run's.")
@DATA_DIR
@click.option("--out", type=FOLDER, required=True, help="Folder of the run; resumed if it exists.")
@click.option(
    "--recalibrate",
    "finished",
    type=FILE,
    help="Train nothing: fit asymmetry and calibration of these weights anew, into OUT.",
)
@click.option("--threads", type=click.IntRange(1), default=1, show_default=True)
def command(
    *,
    config_file: Path | None,
    data_dir: Path | None,
    out: Path,
    finished: Path | None,
    threads: int,
) -> None:
    """Train identity: identity.safetensors and curve.csv in OUT.

    \b
    The networks of the ensemble are trained one after another on train worms and calibrated on
    validation worms. An interrupted run goes on from its last checkpoint, at most a minute
    back, and ends at the same weights.
    """
    from trackbench.core.config_file import read_config_file
    from trackbench.plugins.identity.run import SHIPPED_CONFIG, RunConfig, recalibrate, train

    if finished is not None:
        out.mkdir(parents=True, exist_ok=True)
        target = out / "identity.safetensors"
        weights = recalibrate(finished, data_root(data_dir), target, threads=threads)
    else:
        config = read_config_file(config_file or SHIPPED_CONFIG, RunConfig)
        weights = train(config, data_root(data_dir), out, threads=threads, report=click.echo)
    click.echo(f"{weights}: {weights.stat().st_size / 2**20:.1f} MiB")
