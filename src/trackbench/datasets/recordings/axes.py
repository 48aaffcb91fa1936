"""Brings the axes of a volume into the order c, z, y, x, and refuses an order that can't be."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from trackbench.errors import InputError, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = [
    "VOLUME_AXES",
    "channel_names",
    "check_axes",
    "checked_alike",
    "checked_shape",
    "to_czyx",
]

VOLUME_AXES: Final = "czyx"
CHANNELS: Final = ("red", "green", "blue", "white")
MAX_CHANNELS: Final = 6
MAX_VOXELS: Final = 1 << 31
"""A volume of more voxels than this is a wrong header, not a worm."""


def check_axes(axes: str) -> str:
    """Give `axes` back if it names z, y, x and perhaps c, each once.

    Raises
    ------
    UsageError
    """
    if sorted(axes) not in (sorted("zyx"), sorted("czyx")):
        raise UsageError(
            f"axes {axes!r} can't be those of a volume",
            "name each of z, y, x once, and c if there are channels, as in zcyx",
        )
    return axes


def checked_alike(files: Sequence[Path], shapes: Sequence[tuple[int, ...]]) -> None:
    """Hold all files of a recording to the first one's shape.

    Raises
    ------
    InputError
        A file of another shape.
    """
    for path, shape in zip(files, shapes, strict=True):
        if shape != shapes[0]:
            raise InputError(
                f"{path}: shape {shape}, {files[0].name} has {shapes[0]}",
                "all volumes of a recording have one shape: crop or pad them first",
            )


def checked_shape(
    shape: tuple[int, ...], axes: str | None, who: str, usual: str = VOLUME_AXES
) -> tuple[str, tuple[int, int, int, int]]:
    """Say which axes a volume has and give its shape in the order c, z, y, x.

    Parameters
    ----------
    shape : tuple of int
    axes : str, optional
        As the user named them. Without, `usual` is assumed (without c for three axes), and an
        order in which z would be the longest axis or a volume would have more than 6 channels
        is refused: z is the coarsest axis of every microscope that records worms.
    who : str
        File and frame, for the error.
    usual : str
        The four axes in the format's own order.

    Raises
    ------
    InputError
        Another number of axes, an empty axis, or an order that can't be.
    """
    order = axes or (usual if len(shape) == len(usual) else usual.replace("c", ""))
    if len(shape) != len(order) or 0 in shape:
        raise InputError(f"{who}: shape {shape}", f"a volume is ({', '.join(order)})")
    length = {axis: int(count) for axis, count in zip(order, shape, strict=True)}
    c, z, y, x = (length.get(axis, 1) for axis in VOLUME_AXES)
    if c * z * y * x > MAX_VOXELS:
        raise InputError(f"{who}: shape {shape}", f"at most {MAX_VOXELS:.1e} voxels are read")
    if axes is None and (c > MAX_CHANNELS or z > max(y, x)):
        what = f"{c} channels" if c > MAX_CHANNELS else f"z would be the longest axis ({z})"
        raise InputError(
            f"{who}: shape {shape} read as ({', '.join(order)}): {what}",
            f"the axis order is another: name it, as in --axes zcyx (--axes {order} insists)",
        )
    return order, (c, z, y, x)


def to_czyx(data: NDArray[Any], axes: str) -> NDArray[Any]:
    """Give a view of a volume with its axes in the order c, z, y, x."""
    if "c" not in axes:
        data, axes = data[None], "c" + axes
    return np.transpose(data, [axes.index(axis) for axis in VOLUME_AXES])


def channel_names(count: int) -> tuple[str, ...]:
    """Name channels by their order: red (the static label), green (the indicator), ..."""
    return tuple(CHANNELS[i] if i < len(CHANNELS) else f"channel-{i}" for i in range(count))
