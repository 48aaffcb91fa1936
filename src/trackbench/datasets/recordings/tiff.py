"""Recordings as TIFF: a folder with one file a volume, or one file with a time axis."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from trackbench.datasets.readers.files import checked_file
from trackbench.datasets.recordings.axes import channel_names, checked_alike, checked_shape, to_czyx
from trackbench.datasets.recordings.recording import Header, Recording
from trackbench.errors import InputError, UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from trackbench.core.types import Volume

__all__ = ["TiffFiles", "TiffMovie", "stated_pitch"]

PAGES: Final = frozenset("IQZ")
"""What tifffile calls an axis of pages; of one volume it can only be z."""

MAX_BYTES: Final = 1 << 44
DAMAGED: Final = "the file is truncated or damaged: copy or export it again"


class TiffFiles(Recording):
    """A folder with one TIFF a volume: (z, y, x), (z, c, y, x) or (c, z, y, x).

    Parameters
    ----------
    folder : Path
    files : mapping of int to Path
        By frame number.
    voxel_um : (dz, dy, dx)
    axes : str, optional
        Order of the axes; the files' own words where absent.
    volumes_per_s : float, optional

    Raises
    ------
    InputError
        A file that is no TIFF or truncated, files of different shapes, an order of axes that
        can't be or isn't stated.
    """

    def __init__(
        self,
        folder: Path,
        files: Mapping[int, Path],
        voxel_um: tuple[float, float, float],
        axes: str | None = None,
        volumes_per_s: float | None = None,
    ) -> None:
        self._files = list(files.values())
        layouts = [_layout(path) for path in self._files]
        self._axes, channels = _volume_axes(*layouts[0], axes, self._files[0])
        checked_alike(self._files, [shape for shape, _ in layouts])
        super().__init__(
            Header(folder, tuple(files), channel_names(channels), voxel_um, volumes_per_s)
        )

    def volume(self, t: int) -> Volume | None:
        """Read file t."""
        return self._as_volume(to_czyx(_read(self._files[t]), self._axes), t)


class TiffMovie(Recording):
    """One TIFF whose first axis is time, such as an ImageJ hyperstack.

    Parameters
    ----------
    path : Path
    voxel_um : (dz, dy, dx)
    axes : str, optional
        Order of the axes after t; the file's own words where absent.
    volumes_per_s : float, optional

    Raises
    ------
    InputError
        No TIFF, truncated, or volumes that can't be told apart.
    """

    def __init__(
        self,
        path: Path,
        voxel_um: tuple[float, float, float],
        axes: str | None = None,
        volumes_per_s: float | None = None,
    ) -> None:
        shape, own = _layout(path)
        if not own.startswith("T") or len(shape) < 4:
            raise InputError(
                f"{path}: its axes are {own} {shape}: no time axis in front",
                "write it with axes TZCYX (an ImageJ hyperstack), or one file a volume in a folder",
            )
        self._shape = shape[1:]
        self._axes, channels = _volume_axes(shape[1:], own[1:], axes, path)
        self._pages = int(np.prod(shape[1:-2]))
        header = Header(
            path, tuple(range(shape[0])), channel_names(channels), voxel_um, volumes_per_s
        )
        super().__init__(header)

    def volume(self, t: int) -> Volume | None:
        """Read the pages of volume t."""
        pages = range(t * self._pages, (t + 1) * self._pages)
        data = _read(self.header.path, pages).reshape(self._shape)
        return self._as_volume(to_czyx(data, self._axes), t)


def stated_pitch(path: Path) -> tuple[float, float, float] | None:
    """Give the voxel pitch (dz, dy, dx) in µm that an ImageJ TIFF states; None if it doesn't."""
    with _opened(path) as file:
        stated = file.imagej_metadata or {}
        tags = file.pages[0].tags
        if str(stated.get("unit")) not in {"micron", "um", "µm", "\\u00B5m"}:
            return None
        across = [tags[name].value for name in ("YResolution", "XResolution") if name in tags]
    if len(across) < 2 or "spacing" not in stated or any(top == 0 for top, _ in across):
        return None
    dy, dx = (float(bottom / top) for top, bottom in across)
    return (float(stated["spacing"]), dy, dx)


def _opened(path: Path) -> Any:
    try:
        import tifffile
    except ImportError:
        raise UsageError(
            f"{path}: reading TIFF needs tifffile", "pip install 'trackbench[images]'"
        ) from None
    try:
        return tifffile.TiffFile(checked_file(path, MAX_BYTES))
    except (tifffile.TiffFileError, OSError, ValueError) as error:
        raise InputError(f"{path}: can't be read as TIFF ({error})", DAMAGED) from None


def _layout(path: Path) -> tuple[tuple[int, ...], str]:
    with _opened(path) as file:
        if not file.series:
            raise InputError(f"{path}: no image", DAMAGED)
        return tuple(file.series[0].shape), str(file.series[0].axes)


def _read(path: Path, pages: range | None = None) -> NDArray[Any]:
    with _opened(path) as file:
        try:
            data: NDArray[Any] = file.series[0].asarray(key=pages)
        except (OSError, ValueError, IndexError, RuntimeError, TypeError) as error:
            what = (str(error).splitlines() or [type(error).__name__])[0][:120]
            raise InputError(f"{path}: {what}", DAMAGED) from None
    if data.dtype.kind not in "biuf":
        raise InputError(f"{path}: holds {data.dtype}", "it must hold numbers")
    return data


def _volume_axes(shape: tuple[int, ...], own: str, axes: str | None, path: Path) -> tuple[str, int]:
    """Give the order of a volume's axes and how many channels it has."""
    if axes is None:
        pages = [axis for axis in own if axis in PAGES]
        stated = own.replace("S", "C")
        stated = stated.replace(pages[0], "Z") if len(pages) == 1 else stated
        if sorted(stated) not in (sorted("ZYX"), sorted("CZYX")):
            raise InputError(f"{path}: its axes are {own} {shape}", "name them, as in --axes zcyx")
        _, (channels, *_) = checked_shape(_in_order(shape, stated.lower()), None, str(path))
        return stated.lower(), channels
    order, (channels, *_) = checked_shape(shape, axes, str(path))
    return order, channels


def _in_order(shape: tuple[int, ...], axes: str) -> tuple[int, ...]:
    return tuple(shape[axes.index(axis)] for axis in "czyx" if axis in axes)
