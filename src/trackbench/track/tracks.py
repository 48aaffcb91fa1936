"""The outcome: positions of every neuron in every volume, how sure, and how they were found."""

from __future__ import annotations

import dataclasses
import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import h5py
import numpy as np

from trackbench.benchmarks.atomic import write_atomically
from trackbench.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = [
    "FLAGS",
    "STATUSES",
    "Detections",
    "Tracks",
    "independent",
    "read_tracks",
    "write_tracks",
]

FLAGS: Final = ("missing", "matched", "re-assigned", "interpolated")
"""How a position was found, by its number in `Tracks.flags`."""

STATUSES: Final = ("tracked", "empty", "unreadable", "failed")
"""What became of a volume, by its number in `Tracks.status`."""

SCHEMA: Final = "trackbench-tracks-1"


@dataclass(frozen=True, eq=False)
class Detections:
    """The neurons of all volumes, one volume's after another's, and what the matcher said.

    Parameters
    ----------
    first : (T + 1,) array of int
        Row of the first neuron of each volume; the last entry is M, the number of all.
    zyx_um : (M, 3) array of float32
    candidate : (M, k) array of int
        The most probable tracks of each neuron, -1 where there are fewer.
    log_p : (M, k) array of float32
        Their natural log-probabilities.
    log_none : (M,) array of float32
        Log-probability that the neuron is in none of the tracks.
    """

    first: NDArray[np.int64]
    zyx_um: NDArray[np.float32]
    candidate: NDArray[np.int32]
    log_p: NDArray[np.float32]
    log_none: NDArray[np.float32]

    def rows(self, t: int) -> slice:
        """Give the rows of volume t."""
        return slice(int(self.first[t]), int(self.first[t + 1]))


@dataclass(frozen=True, eq=False)
class Tracks:
    """Neurons through time.

    Parameters
    ----------
    names : tuple of str, length N
        "" for a track without a name.
    numbers : (T,) array of int
        Frame numbers of the recording.
    times_s : (T,) array of float64
        NaN where not known.
    zyx_um : (T, N, 3) array of float32
        NaN where the neuron was not found.
    confidence : (T, N) array of float32
        Probability of the correspondence; of an interpolated position the share of other
        volumes that agree with it. 0 where missing.
    flags : (T, N) array of uint8
        Index into `FLAGS`.
    row : (T, N) array of int32
        Which detection of its volume it is, -1 where none.
    matched : (T, N) array of int32
        The same before time was used.
    status : (T,) array of uint8
        Index into `STATUSES`.
    detections : Detections
    attributes : dict
        Text and numbers that say how the tracks were made.
    """

    names: tuple[str, ...]
    numbers: NDArray[np.int64]
    times_s: NDArray[np.float64]
    zyx_um: NDArray[np.float32]
    confidence: NDArray[np.float32]
    flags: NDArray[np.uint8]
    row: NDArray[np.int32]
    matched: NDArray[np.int32]
    status: NDArray[np.uint8]
    detections: Detections
    attributes: dict[str, Any]

    def __len__(self) -> int:
        return len(self.numbers)

    def label(self, j: int) -> str:
        """Give what track j is called: its name, or its number."""
        return self.names[j] or f"track {j}"


def independent(tracks: Tracks) -> Tracks:
    """Give the tracks as the matcher made them, each volume by itself."""
    shape, found = tracks.matched.shape, tracks.detections
    position = np.full((*shape, 3), np.nan, np.float32)
    confidence = np.zeros(shape, np.float32)
    t, j = np.nonzero(tracks.matched >= 0)
    rows = found.first[t] + tracks.matched[t, j]
    position[t, j] = found.zyx_um[rows]
    chosen = found.candidate[rows] == j[:, None]
    confidence[t, j] = np.where(chosen, np.exp(found.log_p[rows]), 0.0).sum(axis=1)
    kept = {key: value for key, value in tracks.attributes.items() if key != "smoothed"}
    return dataclasses.replace(
        tracks,
        zyx_um=position,
        confidence=confidence,
        flags=(tracks.matched >= 0).astype(np.uint8),
        row=tracks.matched,
        attributes=kept,
    )


def write_tracks(path: Path, tracks: Tracks, *, table: bool = True) -> list[Path]:
    """Write tracks as HDF5 and, beside it, as CSV; each is there whole or not at all.

    Parameters
    ----------
    path : Path
    tracks : Tracks
    table : bool
        Whether to write the CSV: a row a position that was found.

    Returns
    -------
    list of Path
        What was written.

    Raises
    ------
    StoreError
        The disk is full or can't be written.
    """
    content = io.BytesIO()
    _write_hdf5(content, tracks)
    write_atomically(path, lambda file: file.write(content.getbuffer()))
    if not table:
        return [path]
    write_atomically(path.with_suffix(".csv"), lambda file: _write_csv(file, tracks))
    return [path, path.with_suffix(".csv")]


def _write_hdf5(file: Any, tracks: Tracks) -> None:
    with h5py.File(file, "w") as out:
        out.attrs.update({"schema": SCHEMA, "axes": "t, neuron, (z, y, x)", **tracks.attributes})
        packed = {"compression": "gzip", "compression_opts": 1, "shuffle": True}
        out.create_dataset("tracks", data=tracks.zyx_um, **packed).attrs["unit"] = "um"
        out.create_dataset("confidence", data=tracks.confidence, **packed)
        out.create_dataset("flags", data=tracks.flags, **packed).attrs["meaning"] = list(FLAGS)
        out.create_dataset("row", data=tracks.row, **packed)
        out.create_dataset("matched", data=tracks.matched, **packed)
        out.create_dataset("status", data=tracks.status).attrs["meaning"] = list(STATUSES)
        out["names"] = np.array(tracks.names, dtype=h5py.string_dtype())
        out["frame_number"] = tracks.numbers
        out["time_s"] = tracks.times_s
        found = tracks.detections
        out["detections/first"] = found.first
        for field in ("zyx_um", "candidate", "log_p", "log_none"):
            out.create_dataset(f"detections/{field}", data=getattr(found, field), **packed)


def _write_csv(file: Any, tracks: Tracks) -> None:
    import pyarrow as pa
    from pyarrow import csv

    t, j = np.nonzero(tracks.flags)
    position = tracks.zyx_um[t, j].astype(np.float64).round(3)
    names = np.array(tracks.names, dtype=object)
    columns = {
        "frame": tracks.numbers[t],
        "time_s": tracks.times_s[t].round(4),
        "track": j,
        "name": names[j],
        "z_um": position[:, 0],
        "y_um": position[:, 1],
        "x_um": position[:, 2],
        "confidence": tracks.confidence[t, j].astype(np.float64).round(4),
        "how": np.array(FLAGS, dtype=object)[tracks.flags[t, j]],
    }
    if np.isnan(tracks.times_s).all():
        del columns["time_s"]
    csv.write_csv(pa.table(columns), file, csv.WriteOptions(quoting_style="needed"))


def read_tracks(path: Path) -> Tracks:
    """Read what `write_tracks` wrote.

    Raises
    ------
    InputError
        Not such a file, or a damaged one.
    """
    mend = "give a file that trackbench track wrote"
    try:
        with h5py.File(path, "r") as file:
            if file.attrs.get("schema") != SCHEMA:
                raise InputError(f"{path}: no tracks of this version", mend)
            return _from_hdf5(file)
    except (OSError, KeyError, ValueError, RuntimeError, TypeError) as error:
        what = (str(error).splitlines() or [type(error).__name__])[0][:120]
        raise InputError(f"{path}: can't be read ({what})", mend) from None


def _from_hdf5(file: h5py.File) -> Tracks:
    found = file["detections"]
    detections = Detections(
        *(found[field][()] for field in ("first", "zyx_um", "candidate", "log_p", "log_none"))
    )
    tracks = Tracks(
        names=tuple(name.decode() for name in file["names"][()]),
        numbers=file["frame_number"][()],
        times_s=file["time_s"][()],
        zyx_um=file["tracks"][()],
        confidence=file["confidence"][()],
        flags=file["flags"][()],
        row=file["row"][()],
        matched=file["matched"][()],
        status=file["status"][()],
        detections=detections,
        attributes={key: file.attrs[key] for key in file.attrs if key not in {"schema", "axes"}},
    )
    if tracks.zyx_um.shape != (len(tracks.numbers), len(tracks.names), 3):
        raise ValueError(f"tracks of shape {tracks.zyx_um.shape}")
    return tracks
