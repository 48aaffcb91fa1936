"""A simulated image recording as a file in TargetTrack's HDF5 layout, and a picture of it.

Layout: Park et al. 2023, Nature Methods, doi 10.1038/s41592-023-02096-3; its arrays are ordered
(channel,) x, y, z. Added here: the attributes ``voxel_um`` (dz, dy, dx), ``volumes_per_s`` and
``names`` (of the neurons, from number 1), and the group ``truth``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from trackbench.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import h5py
    from numpy.typing import NDArray

    from trackbench.datasets.semisynthetic.images import ImageRecording

__all__ = ["draw_recording", "write_recording"]

PARTIAL: Final = ".part"
GZIP_LEVEL: Final = 1
DRAWN: Final = 3


def write_recording(
    path: Path, recording: ImageRecording, progress: Callable[[int], None] | None = None
) -> None:
    """Write a recording volume by volume; the file appears when it is whole.

    Datasets: ``{t}/frame`` (channel, x, y, z) int16, ``{t}/mask`` (x, y, z) int16, ``{t}/time``,
    ``pointdat`` (volumes, neurons + 1, 3) float32: x, y, z in voxels with row 0 unused, and
    ``truth/calcium`` (volumes, neurons) float32: dF/F0 of the indicator.

    Parameters
    ----------
    path : Path
    recording : ImageRecording
    progress : callable, optional
        Told of each volume as it is written.

    Raises
    ------
    InputError
        The file can't be written: no such folder, a full disk.
    """
    import h5py

    if not path.parent.is_dir():
        raise InputError(f"{path.parent}: no such folder", "make it first")
    partial = path.with_name(path.name + PARTIAL)
    try:
        with h5py.File(partial, "w") as file:
            _write_head(file, recording)
            for t in range(len(recording)):
                _write_volume(file, recording, t)
                if progress is not None:
                    progress(1)
        partial.replace(path)
    except OSError as error:
        raise InputError(
            f"can't write {path} ({error.strerror or error})",
            "choose another file or free some space",
        ) from error
    finally:
        partial.unlink(missing_ok=True)


def _write_head(file: h5py.File, recording: ImageRecording) -> None:
    depth, height, width = recording.config.shape
    file.attrs.update(
        {
            "name": recording.id,
            "C": len(recording.channels),
            "W": width,
            "H": height,
            "D": depth,
            "T": len(recording),
            "N_neurons": len(recording.names),
            "pointdat": True,
            "voxel_um": recording.voxel_um,
            "volumes_per_s": recording.config.volumes_per_s,
            "names": list(recording.names),
        }
    )
    file["pointdat"] = _pointdat(recording)
    file["truth/calcium"] = recording.calcium


def _pointdat(recording: ImageRecording) -> NDArray[np.float32]:
    voxels = (recording.zyx_um / recording.voxel_um)[..., ::-1].astype(np.float32)
    for t, rows in enumerate(voxels):
        rows[~recording.visible(t)] = np.nan
    nobody = np.full((len(recording), 1, 3), np.nan, dtype=np.float32)
    return np.concatenate([nobody, voxels], axis=1)


def _write_volume(file: h5py.File, recording: ImageRecording, t: int) -> None:
    packed: dict[str, Any] = {"compression": "gzip", "compression_opts": GZIP_LEVEL}
    frame = recording.volume(t).data.transpose(0, 3, 2, 1)
    file.create_dataset(f"{t}/frame", data=frame, **packed)
    file.create_dataset(f"{t}/mask", data=recording.labels(t).transpose(2, 1, 0), **packed)
    file[f"{t}/time"] = t


def draw_recording(picture: Path, recording: ImageRecording) -> None:
    """Draw maximum projections of the first, middle and last volume, and the true calcium."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    shown = sorted({0, len(recording) // 2, len(recording) - 1})[:DRAWN]
    figure = Figure(figsize=(11, 2.6 * len(shown) + 3), layout="constrained")
    FigureCanvasAgg(figure)
    grid = figure.add_gridspec(len(shown) + 1, 2)
    for row, t in enumerate(shown):
        volume = recording.volume(t)
        for column, (name, image) in enumerate(zip(volume.channels, volume.data, strict=True)):
            axes = figure.add_subplot(grid[row, column])
            _draw_projection(axes, image, recording)
            axes.set_title(f"{name}, {volume.time_s:.1f} s", fontsize=9)
            if column == 0:
                y, x = recording.points(t).zyx_um[:, 1:].T
                axes.plot(x, y, "+", color="tab:cyan", markersize=3, markeredgewidth=0.5)
    _draw_calcium(figure.add_subplot(grid[-1, :]), recording)
    figure.savefig(picture, dpi=110)


def _draw_projection(axes: Any, image: NDArray[Any], recording: ImageRecording) -> None:
    _, dy, dx = recording.voxel_um
    height, width = image.shape[1:]
    reach = (-dx / 2, (width - 0.5) * dx, (height - 0.5) * dy, -dy / 2)
    brightest = max(1.0, float(np.percentile(image.max(axis=0), 99.8)))
    axes.imshow(image.max(axis=0), cmap="gray", extent=reach, vmax=brightest)
    axes.set_xlabel("x in µm", fontsize=8)
    axes.set_ylabel("y in µm", fontsize=8)


def _draw_calcium(axes: Any, recording: ImageRecording) -> None:
    reach = (0, len(recording) / recording.config.volumes_per_s, len(recording.names), 0)
    brightest = max(0.1, float(np.percentile(recording.calcium, 99)))
    drawn = axes.imshow(recording.calcium.T, aspect="auto", extent=reach, vmin=0, vmax=brightest)
    axes.set_xlabel("time in s", fontsize=8)
    axes.set_ylabel("neuron", fontsize=8)
    axes.figure.colorbar(drawn, ax=axes, label="true dF/F0")
