"""The options by which commands are told how to read a recording."""

from __future__ import annotations

import functools
import math
from typing import TYPE_CHECKING, Any, Final

import click

from trackbench.cli.existing import Existing

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

__all__ = ["RECORDING", "recording_options"]

RECORDING = Existing("give an HDF5 file, a TIFF with a time axis, or a folder with a file a volume")
HANDEDNESS: Final = {"yes": True, "no": False, "unknown": None}


def _pitch(_: click.Context, __: click.Parameter, value: str | None) -> tuple[float, ...] | None:
    if value is None:
        return None
    try:
        pitch = tuple(float(part) for part in value.split(","))
    except ValueError:
        pitch = ()
    if len(pitch) != 3 or not all(math.isfinite(step) and step > 0 for step in pitch):
        raise click.BadParameter(f"{value!r} isn't three numbers above 0: z,y,x in µm")
    return pitch


OPTIONS: Final = (
    click.option(
        "--voxel-um",
        metavar="Z,Y,X",
        callback=_pitch,
        help="Voxel pitch in µm, where the file doesn't state it.",
    ),
    click.option("--axes", help="Axis order of a volume, such as zcyx, where it is unusual."),
    click.option(
        "--rate",
        type=click.FloatRange(0, min_open=True),
        help="Volumes per second, where the file doesn't state it.",
    ),
    click.option(
        "--mirrored",
        type=click.Choice(list(HANDEDNESS)),
        default="unknown",
        show_default=True,
        help="Whether x, y, z form a mirror image of the anatomy; of use with --labeler.",
    ),
)


def recording_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options; `command` gets them and the argument RECORDING as one `source`."""

    @functools.wraps(command)
    def wrapped(
        *,
        recording: Path,
        voxel_um: tuple[float, float, float] | None,
        axes: str | None,
        rate: float | None,
        mirrored: str,
        **others: Any,
    ) -> None:
        from trackbench.track.plan import Source

        source = Source(recording, axes, voxel_um, rate, HANDEDNESS[mirrored])
        command(source=source, **others)

    for option in reversed(OPTIONS):
        wrapped = option(wrapped)
    return wrapped
