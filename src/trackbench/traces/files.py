"""Traces as files: HDF5 and CSV."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from trackbench.benchmarks.atomic import write_atomically

if TYPE_CHECKING:
    from pathlib import Path

    from trackbench.traces.activity import Activity
    from trackbench.traces.extract import Fluorescence
    from trackbench.track.tracks import Tracks

__all__ = ["write_traces"]

SCHEMA: Final = "trackbench-traces-1"


def write_traces(
    path: Path, tracks: Tracks, light: Fluorescence, active: Activity, *, table: bool = True
) -> list[Path]:
    """Write traces as HDF5 and, beside it, as CSV; each is there whole or not at all.

    Parameters
    ----------
    path : Path
    tracks : Tracks
    light : Fluorescence
    active : Activity
    table : bool
        Whether to write the CSV: a row a neuron and volume.

    Returns
    -------
    list of Path

    Raises
    ------
    StoreError
        The disk is full or can't be written.
    """
    content = io.BytesIO()
    _write_hdf5(content, tracks, light, active)
    write_atomically(path, lambda file: file.write(content.getbuffer()))
    if not table:
        return [path]
    csv = path.with_suffix(".csv")
    write_atomically(csv, lambda file: _write_csv(file, tracks, light, active))
    return [path, csv]


def _write_hdf5(file: Any, tracks: Tracks, light: Fluorescence, active: Activity) -> None:
    import h5py

    with h5py.File(file, "w") as out:
        out.attrs.update({"schema": SCHEMA, "tracks": tracks.attributes["key"]})
        packed = {"compression": "gzip", "compression_opts": 1, "shuffle": True}
        arrays = {
            "fluorescence": light.signal,
            "background": light.background,
            "bleaching": active.bleaching,
            "ratio": active.ratio,
            "dff": active.dff,
        }
        for name, values in arrays.items():
            out.create_dataset(name, data=values.astype(np.float32), **packed)
        out["fluorescence"].attrs["axes"] = "channel, t, neuron; background subtracted"
        out["dff"].attrs["axes"] = "t, neuron"
        out.create_dataset("flags", data=tracks.flags, **packed)
        out["channels"] = np.array(light.channels, dtype=h5py.string_dtype())
        out["names"] = np.array(tracks.names, dtype=h5py.string_dtype())
        out["frame_number"] = tracks.numbers
        out["time_s"] = tracks.times_s


def _write_csv(file: Any, tracks: Tracks, light: Fluorescence, active: Activity) -> None:
    import pyarrow as pa
    from pyarrow import csv

    t, j = np.nonzero(np.isfinite(light.signal[0]))
    columns = {
        "frame": tracks.numbers[t],
        "time_s": tracks.times_s[t].round(4),
        "track": j,
        "name": np.array(tracks.names, dtype=object)[j],
        **{
            name: one[t, j].round(3) for name, one in zip(light.channels, light.signal, strict=True)
        },
        "ratio": active.ratio[t, j].round(5),
        "dff": active.dff[t, j].round(5),
    }
    if np.isnan(tracks.times_s).all():
        del columns["time_s"]
    table = pa.table({name: pa.array(values, from_pandas=True) for name, values in columns.items()})
    csv.write_csv(table, file, csv.WriteOptions(quoting_style="needed"))
