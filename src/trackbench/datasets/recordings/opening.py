"""Finds out of what kind a recording is, and opens it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from trackbench.datasets.readers.arrays import map_array
from trackbench.datasets.recordings.array_files import ArrayFiles
from trackbench.datasets.recordings.axes import check_axes
from trackbench.datasets.recordings.numbered import by_number
from trackbench.datasets.recordings.point_files import PointFiles
from trackbench.datasets.recordings.tiff import TiffFiles, TiffMovie, stated_pitch
from trackbench.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from trackbench.datasets.recordings.recording import Recording

__all__ = ["open_recording"]

Pitch = tuple[float, float, float]

TIFF: Final = frozenset({".tif", ".tiff"})
HDF5: Final = frozenset({".h5", ".hdf5", ".hdf"})
POINTS: Final = frozenset({".csv", ".tsv", ".data"})
KINDS: Final = "an .h5 in targettrack's layout, a .tif with a time axis, or a folder of volumes"


def open_recording(
    path: Path,
    *,
    axes: str | None = None,
    voxel_um: Pitch | None = None,
    volumes_per_s: float | None = None,
    mirrored: bool | None = None,
) -> Recording:
    """Open a recording of any format; reads headers only.

    Parameters
    ----------
    path : Path
        HDF5 file in targettrack's layout, TIFF with a time axis, or a folder with one file a
        volume: ``.tif``, ``.npy`` (images or fDNC points), ``.csv`` or ``.data`` points.
    axes : str, optional
        Order of the axes of one volume where it isn't the format's own: "zyx", "zcyx", ...
    voxel_um : (dz, dy, dx), optional
        Voxel pitch in µm where the file doesn't state it; needed for images.
    volumes_per_s : float, optional
        Where the file doesn't state it.
    mirrored : bool, optional
        Handedness of the acquisition, for point folders.

    Raises
    ------
    InputError
        Not a recording, or one that can't be used: names file and frame.
    UsageError
        Axes that can't be those of a volume.
    """
    order = None if axes is None else check_axes(axes.lower())
    if path.is_dir():
        return _opened_folder(path, order, voxel_um, volumes_per_s, mirrored)
    if not path.exists():
        raise InputError(f"{path}: no such file or folder", "check the path")
    if path.suffix.lower() in HDF5:
        from trackbench.datasets.recordings.hdf5 import Hdf5Recording

        return Hdf5Recording(path, order, voxel_um, volumes_per_s)
    if path.suffix.lower() in TIFF:
        return TiffMovie(path, voxel_um or _pitch(path), order, volumes_per_s)
    raise InputError(f"{path}: unknown kind of recording", f"give {KINDS}")


def _opened_folder(
    folder: Path,
    axes: str | None,
    voxel_um: Pitch | None,
    volumes_per_s: float | None,
    mirrored: bool | None,
) -> Recording:
    files = _files(folder)
    first = next(iter(files.values()))
    suffix = first.suffix.lower()
    if suffix in POINTS or (suffix == ".npy" and len(map_array(first).shape) < 3):
        return PointFiles(folder, files, volumes_per_s, mirrored)
    if suffix in TIFF:
        return TiffFiles(folder, files, voxel_um or _pitch(first), axes, volumes_per_s)
    return ArrayFiles(folder, files, voxel_um or _no_pitch(folder), axes, volumes_per_s)


def _files(folder: Path) -> Mapping[int, Path]:
    """Give the volumes of a folder by number; they must be of one kind."""
    kinds: dict[str, list[Path]] = {}
    for path in folder.iterdir():
        suffix = ".tif" if path.suffix.lower() in TIFF else path.suffix.lower()
        if path.is_file() and not path.name.startswith(".") and suffix in {*POINTS, ".tif", ".npy"}:
            kinds.setdefault(suffix, []).append(path)
    if not kinds:
        raise InputError(f"{folder}: no volumes in it", "a volume is a .tif, .npy, .csv or .data")
    if len(kinds) > 1:
        raise InputError(
            f"{folder}: it holds {' and '.join(sorted(kinds))} files",
            "keep one kind of volume in a folder",
        )
    return by_number(next(iter(kinds.values())))


def _pitch(path: Path) -> Pitch:
    return stated_pitch(path) or _no_pitch(path)


def _no_pitch(path: Path) -> Pitch:
    raise InputError(
        f"{path}: the voxel pitch isn't known", "give it in µm as z,y,x: --voxel-um 1.5,0.32,0.32"
    )
