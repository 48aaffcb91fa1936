"""``trackbench simulate``: write simulated worms or recordings to files, and a picture."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from trackbench.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["command"]

DEFAULT_VOLUMES = 100


def _three(kind: type[int | float]) -> Callable[..., tuple[float, ...] | None]:
    """Make the callback of an option that takes z,y,x."""

    def read(_: click.Context, __: click.Parameter, value: str | None) -> tuple[float, ...] | None:
        if value is None:
            return None
        try:
            numbers = tuple(kind(part) for part in value.split(","))
        except ValueError:
            numbers = ()
        if len(numbers) != 3 or min(numbers) <= 0:
            raise click.BadParameter(f"{value!r} isn't three numbers above 0 for z, y, x")
        return numbers

    return read


@click.command("simulate")
@click.option(
    "--out",
    "-o",
    type=click.Path(path_type=Path),
    required=True,
    help="Folder; with --images the HDF5 file.",
)
@click.option("--worms", type=click.IntRange(1, 100_000), default=8, show_default=True)
@click.option(
    "--neurons",
    type=click.IntRange(8, 160),
    help="Neurons a worm. Default: 120, or as --images has it.",
)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True)
@click.option(
    "--recording",
    type=click.IntRange(0, 100_000),
    default=0,
    metavar="VOLUMES",
    help="One worm through time instead of pairs of views.",
)
@click.option(
    "--images",
    type=click.Choice(["head", "small"]),
    help=f"Image volumes of a recording ({DEFAULT_VOLUMES} volumes unless --recording says): a "
    "head at real density and pitch, or 22 large nuclei in 64 x 64 x 16 voxels.",
)
@click.option("--shape", callback=_three(int), metavar="Z,Y,X", help="Voxels, such as 32,160,256.")
@click.option(
    "--voxel", callback=_three(float), metavar="Z,Y,X", help="Pitch in µm, such as 1.95,0.65,0.65."
)
def command(
    *,
    out: Path,
    worms: int,
    neurons: int | None,
    seed: int,
    recording: int,
    images: str | None,
    shape: tuple[int, int, int] | None,
    voxel: tuple[float, float, float] | None,
) -> None:
    """Simulate worms with known truth.

    \b
    Points: one CSV a view (z_um, y_um, x_um, name; no name where a point is spurious), and
    worms.png. For example
      trackbench simulate --out worms
      trackbench simulate --recording 200 --out recording
    Images: one HDF5 file in TargetTrack's layout, with two channels, label masks, the true
    points and the true calcium (truth/calcium, dF/F0), and a picture beside it. For example
      trackbench simulate --images head --recording 300 --out worm.h5
    """
    if images is None:
        if shape or voxel:
            raise UsageError("--shape and --voxel are those of images", "add --images head")
        _write_points(out, worms, 120 if neurons is None else neurons, seed, recording)
        return
    changes = {"neurons": neurons, "shape": shape, "voxel_um": voxel}
    given = {name: value for name, value in changes.items() if value is not None}
    _write_images(out, images, {**given, "volumes": recording or DEFAULT_VOLUMES}, seed)


def _write_points(out: Path, worms: int, neurons: int, seed: int, recording: int) -> None:
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


def _write_images(out: Path, preset: str, changes: dict[str, object], seed: int) -> None:
    from trackbench.cli.progress import shown_count
    from trackbench.datasets.semisynthetic.image_config import PRESETS, ImageConfig
    from trackbench.datasets.semisynthetic.image_export import draw_recording, write_recording
    from trackbench.datasets.semisynthetic.images import simulate_images
    from trackbench.datasets.semisynthetic.shape import load_shapes

    if out.is_dir():
        raise UsageError(f"{out} is a folder", "images go into one file: --out worm.h5")
    config = ImageConfig(**(PRESETS[preset].model_dump() | changes))
    recording = simulate_images(load_shapes(), config, seed)
    with shown_count("volumes", len(recording)) as advance:
        write_recording(out, recording, advance)
    picture = out.with_suffix(".png")
    draw_recording(picture, recording)
    size = f"{len(recording)} volumes of {' x '.join(map(str, config.shape))} voxels (z, y, x)"
    click.echo(f"{size}, {len(recording.names)} neurons: {out}, picture {picture.name}")
