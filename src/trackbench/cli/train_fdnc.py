"""``trackbench train fdnc``: simulate worms and train the matching network on them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from trackbench.cli.train import DATA_DIR, FILE, FOLDER, data_root

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["command"]


@click.command("fdnc")
@click.option("--config", "config_file", type=FILE, help="TOML; default: the shipped run's.")
@DATA_DIR
@click.option("--out", type=FOLDER, required=True, help="Folder of the run; resumed if it exists.")
@click.option("--device", type=click.Choice(["cpu", "cuda"]), default="cpu", show_default=True)
@click.option("--threads", type=click.IntRange(1), default=1, show_default=True)
@click.option("--seed", type=click.IntRange(0), help="Instead of the config's.")
@click.option("--layers", default="", metavar="LIST", help="Sweep: such as 4,6,8.")
@click.option("--width", default="", metavar="LIST", help="Sweep: such as 32,64,128.")
def command(
    *,
    config_file: Path | None,
    data_dir: Path | None,
    out: Path,
    device: str,
    threads: int,
    seed: int | None,
    layers: str,
    width: str,
) -> None:
    """Train fdnc: weights.safetensors, curve.csv and curve.png in OUT.

    \b
    An interrupted run goes on from its last checkpoint, at most a minute back, and ends at the
    same weights. With --layers or --width every combination is trained into a folder of its own
    and sweep.csv compares them.
    """
    from trackbench.core.config_file import read_config_file
    from trackbench.plugins.fdnc.training import train
    from trackbench.plugins.fdnc.training_config import SHIPPED_CONFIG, TrainingConfig

    config = read_config_file(config_file or SHIPPED_CONFIG, TrainingConfig)
    if seed is not None:
        config = config.model_copy(update={"seed": seed})
    root = data_root(data_dir)
    if layers or width:
        from trackbench.plugins.fdnc.sweep import sweep

        sizes = _integers(layers, "--layers"), _integers(width, "--width")
        table = sweep(config, root, out, *sizes, device=device, threads=threads, report=click.echo)
        click.echo(f"{table}")
        return
    weights = train(config, root, out, device=device, threads=threads, report=click.echo)
    click.echo(f"{weights}: {weights.stat().st_size / 2**20:.1f} MiB")


def _integers(text: str, option: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in text.split(",") if part)
    except ValueError as error:
        raise click.BadParameter(
            f"{text!r} is no list of whole numbers", param_hint=option
        ) from error
