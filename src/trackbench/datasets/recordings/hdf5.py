"""Recordings in targettrack's HDF5 layout (Park et al. 2023), and a few attributes of our own.

``{t}/frame`` (C, W, H, D), that is (c, x, y, z); ``pointdat`` (T, N + 1, 3): x, y, z in voxels,
row 0 unused, NaN where a neuron is absent. Root attributes ``C``, ``W``, ``H``, ``D``, ``T``;
ours: ``voxel_um`` (dz, dy, dx), ``volumes_per_s``, ``channels``, ``names`` (of the neurons, from
number 1), and of simulated recordings the dataset ``truth/calcium`` (T, N).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import h5py
import numpy as np

from trackbench.core.types import PointCloud
from trackbench.datasets.recordings.axes import channel_names, checked_shape, to_czyx
from trackbench.datasets.recordings.recording import Header, Recording
from trackbench.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from trackbench.core.types import Volume

__all__ = ["Hdf5Recording"]

USUAL_AXES: Final = "cxyz"
DAMAGED: Final = "the file is truncated or damaged: copy or export it again"


class Hdf5Recording(Recording):
    """A recording in one HDF5 file, which stays open until `close`.

    Parameters
    ----------
    path : Path
    axes : str, optional
        Order of the axes of ``{t}/frame`` where it isn't (c, x, y, z).
    voxel_um : (dz, dy, dx), optional
        The file's attribute ``voxel_um`` where absent.
    volumes_per_s : float, optional
        The file's attribute of this name where absent.

    Raises
    ------
    InputError
        Not HDF5, truncated, no frames, frames of different shapes or of an impossible axis
        order, no voxel pitch, a malformed ``pointdat``.
    """

    def __init__(
        self,
        path: Path,
        axes: str | None = None,
        voxel_um: tuple[float, float, float] | None = None,
        volumes_per_s: float | None = None,
    ) -> None:
        self._file = _opened(path)
        try:
            numbers = _numbers(self._file, path)
            self._axes, channels = _checked_frames(self._file, path, numbers, axes)
            points = self._file.get("pointdat")
            self._points = _checked_points(points, path, numbers)
            rate = volumes_per_s or _number(self._file, "volumes_per_s")
            pitch = voxel_um or _pitch(self._file, path)
            names = _channels(self._file, channels)
            self._names = _neuron_names(self._file, self._points)
        except (OSError, RuntimeError, KeyError) as error:
            self._file.close()
            raise InputError(f"{path}: {_line(error)}", DAMAGED) from None
        except InputError:
            self._file.close()
            raise
        has_points = self._points is not None
        super().__init__(Header(path, numbers, names, pitch, rate, has_points))

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def volume(self, t: int) -> Volume | None:
        """Read ``{t}/frame``."""
        name = f"{self.header.numbers[t]}/frame"
        if name not in self._file:
            return None
        try:
            data = self._file[name][()]
        except (OSError, RuntimeError) as error:
            raise InputError(f"{self.header.path}: {name}: {_line(error)}", DAMAGED) from None
        return self._as_volume(to_czyx(data, self._axes), t)

    def points(self, t: int) -> PointCloud | None:
        """Give row t of ``pointdat`` in µm; a neuron without a name is called by its number."""
        number = self.header.numbers[t]
        if self._points is None or self.header.voxel_um is None or number >= len(self._points):
            return None
        voxels = self._points[number]
        present = np.flatnonzero(np.isfinite(voxels).all(axis=1))
        if not len(present):
            return None
        return PointCloud(
            voxels[present, ::-1] * np.array(self.header.voxel_um),
            names=tuple(self._names[k - 1] for k in present),
            id=f"{self.id}-{number}",
            animal=self.id,
        )

    def labels(self, t: int) -> NDArray[np.integer[Any]] | None:
        """Read ``{t}/mask``, whose axes are those of the image."""
        frame = f"{self.header.numbers[t]}/frame"
        name = f"{self.header.numbers[t]}/mask"
        mask = self._file.get(name)
        if not isinstance(mask, h5py.Dataset) or frame not in self._file:
            return None
        axes = self._axes.replace("c", "")
        shape = self._file[frame].shape
        wanted = tuple(n for n, axis in zip(shape, self._axes, strict=True) if axis != "c")
        if mask.shape != wanted or mask.dtype.kind not in "biu":
            raise InputError(
                f"{self.header.path}: {name}: {mask.dtype} of shape {mask.shape}",
                f"a mask holds whole numbers in the shape of its image, {wanted}",
            )
        try:
            labels: NDArray[np.integer[Any]] = to_czyx(mask[()], axes)[0]
        except (OSError, RuntimeError) as error:
            raise InputError(f"{self.header.path}: {name}: {_line(error)}", DAMAGED) from None
        return labels

    def calcium(self) -> tuple[tuple[str, ...], NDArray[np.float64]] | None:
        """Read ``truth/calcium``."""
        stored = self._file.get("truth/calcium")
        if not isinstance(stored, h5py.Dataset):
            return None
        if stored.shape != (len(self), len(self._names)):
            raise InputError(
                f"{self.header.path}: truth/calcium has shape {stored.shape}",
                f"it must be {(len(self), len(self._names))}, a column a neuron of pointdat",
            )
        return self._names, stored[()].astype(np.float64)


def _opened(path: Path) -> h5py.File:
    try:
        return h5py.File(path, "r")
    except OSError as error:
        raise InputError(f"{path}: can't be read as HDF5 ({_line(error)})", DAMAGED) from None


def _line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0].strip("'\"")[:120]


def _numbers(file: h5py.File, path: Path) -> tuple[int, ...]:
    """Frame numbers: all groups named by a number, and by ``T`` those that are missing."""
    found = {int(name) for name in file if name.isascii() and name.isdigit()}
    if not found:
        raise InputError(
            f"{path}: no frames", "targettrack's layout has a group per frame: 0/frame, 1/frame"
        )
    total = max(int(_number(file, "T") or 0), max(found) + 1)
    if total > 10 * len(found) + 10:
        raise InputError(
            f"{path}: {len(found)} of {total} frames are there", "mend the attribute T or the names"
        )
    return tuple(range(min(found), total))


def _number(file: h5py.File, name: str) -> float | None:
    value = file.attrs.get(name)
    return None if value is None or np.ndim(value) else float(value)


def _checked_frames(
    file: h5py.File, path: Path, numbers: tuple[int, ...], axes: str | None
) -> tuple[str, int]:
    """Check the shape of every frame before any is read; give the axes and the channel count."""
    first: tuple[str, tuple[int, ...]] | None = None
    order, channels = USUAL_AXES, 0
    for number in numbers:
        frame = file.get(f"{number}/frame")
        if frame is None:
            continue
        name = f"{number}/frame"
        if not isinstance(frame, h5py.Dataset) or frame.dtype.kind not in "biuf":
            raise InputError(f"{path}: {name} is no array of numbers", "export it again")
        if first is None:
            order, (channels, *_) = checked_shape(frame.shape, axes, f"{path}: {name}", USUAL_AXES)
            _check_attributes(file, path, name, frame.shape, axes)
            first = (name, frame.shape)
        if frame.shape != first[1]:
            raise InputError(
                f"{path}: {name} has shape {frame.shape}, {first[0]} has {first[1]}",
                "all volumes of a recording have one shape: crop or pad them first",
            )
    return order, channels


def _check_attributes(
    file: h5py.File, path: Path, name: str, shape: tuple[int, ...], axes: str | None
) -> None:
    stated = [_number(file, key) for key in ("C", "W", "H", "D")]
    if axes is not None or len(shape) != len(stated) or None in stated:
        return
    wanted = tuple(int(value) for value in stated if value is not None)
    if wanted != shape:
        raise InputError(
            f"{path}: {name} has shape {shape}, the attributes C, W, H, D say {wanted}",
            "the axis order is another: name it, as in --axes czyx, or mend the attributes",
        )


def _checked_points(
    points: object, path: Path, numbers: tuple[int, ...]
) -> NDArray[np.float64] | None:
    if points is None:
        return None
    shaped = isinstance(points, h5py.Dataset) and points.ndim == 3 and points.shape[2] == 3
    if not shaped or points.dtype.kind not in "iuf":  # type: ignore[attr-defined]
        raise InputError(f"{path}: pointdat is malformed", "it must be (T, N + 1, 3): x, y, z")
    table: NDArray[Any] = points[()]  # type: ignore[index]
    if np.isfinite(table[:, :1]).any():
        raise InputError(
            f"{path}: pointdat has points in column 0", "it is unused and must be NaN throughout"
        )
    if len(table) > numbers[-1] + 1:
        raise InputError(
            f"{path}: pointdat has {len(table)} rows for {numbers[-1] + 1} frames",
            "mend the attribute T",
        )
    return table.astype(np.float64)


def _pitch(file: h5py.File, path: Path) -> tuple[float, float, float]:
    pitch = np.asarray(file.attrs.get("voxel_um", ()), dtype=np.float64)
    if pitch.shape != (3,) or not (np.isfinite(pitch) & (pitch > 0)).all():
        raise InputError(
            f"{path}: the voxel pitch isn't known",
            "give it in µm as z,y,x: --voxel-um 1.5,0.32,0.32 (or the attribute voxel_um)",
        )
    return (float(pitch[0]), float(pitch[1]), float(pitch[2]))


def _neuron_names(file: h5py.File, points: NDArray[np.float64] | None) -> tuple[str, ...]:
    """Give the neurons' names: the attribute's where there are as many, else their numbers."""
    count = 0 if points is None else points.shape[1] - 1
    stated = _texts(file, "names")
    whole = len(stated) == count and len(set(stated)) == count and all(stated)
    return stated if whole else tuple(str(k + 1) for k in range(count))


def _texts(file: h5py.File, name: str) -> tuple[str, ...]:
    stated = np.asarray(file.attrs.get(name, ()), dtype=object).ravel()
    return tuple(item.decode() if isinstance(item, bytes) else str(item) for item in stated)


def _channels(file: h5py.File, count: int) -> tuple[str, ...]:
    names = _texts(file, "channels")
    return names if len(names) == count else channel_names(count)
