"""``trackbench simulate``: write simulated worms to files, and a picture of a few."""

from __future__ import annotations

from pathlib import Path

import click

__all__ = ["command"]


@click.command("simulate")
@click.option(
    "--out", type=click.Path(path_type=Path, file_okay=False), required=True, help="Folder."
)
@click.option("--worms", type=click.IntRange(1, 100_000), default=8, show_default=True)
@click.option("--neurons", type=click.IntRange(8, 160), default=120, show_default=True)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True)
@click.option(
    "--recording",
    type=click.IntRange(0, 100_000),
    default=0,
    metavar="VOLUMES",
    help="Write one worm through time instead of pairs of views.",
)
def command(*, out: Path, worms: int, neurons: int, seed: int, recording: int) -> None:
    """Simulate worms with known truth: one CSV a view, and worms.png.

    \b
    Columns: z_um, y_um, x_um, name (empty where the point is spurious).
    """
    from trackbench.datasets.semisynthetic.export import draw_clouds, write_clouds
    from trackbench.datasets.semisynthetic.pairs import simulated_pair
    from trackbench.datasets.semisynthetic.recording import RecordingConfig, record
    from trackbench.datasets.semisynthetic.shape import load_shapes

    shapes = load_shapes()
    if recording:
        config = RecordingConfig(volumes=recording, neurons=neurons)
        clouds = list(record(shapes, config, seed))
    else:
        pairs = [simulated_pair(shapes, seed + i, neurons) for i in range(worms)]
        clouds = [cloud for pair in pairs for cloud in pair]
    write_clouds(out, clouds)
    draw_clouds(out / "worms.png", clouds)
    click.echo(f"{len(clouds)} point clouds and worms.png in {out}")
