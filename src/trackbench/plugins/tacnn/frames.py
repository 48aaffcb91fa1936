"""From volumes to what the network reads, and from labels to what it learns.

A frame is reduced by block means, cut or padded to a canvas around the worm, and normalised.
Labels are a canvas of class numbers, 0 = background.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from scipy.spatial import cKDTree

from trackbench.errors import InputError
from trackbench.plugins.tacnn.network import MULTIPLES

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from trackbench.core.types import Volume

    FloatArray = NDArray[np.floating[Any]]

__all__ = ["Canvas", "Frame", "fit_canvas", "paint", "place_labels", "prepare", "return_labels"]

BRIGHT_QUANTILE: Final = 0.999
MARGIN_VOXELS: Final = 12
"""Room that a canvas leaves around the labelled neurons, in reduced voxels."""


@dataclass(frozen=True)
class Canvas:
    """What every frame of a recording is brought to.

    Parameters
    ----------
    shape : (z, y, x)
        In reduced voxels.
    reduce : (z, y, x)
        Voxels of the volume that become one.
    corner : (z, y, x)
        Of the canvas in the reduced volume, in reduced voxels; the same for every frame, since
        a microscope that follows the worm, or the alignment of a recording, keeps it in place.
    channels : int
        How many of the volume's channels are read, the static (red) one first.
    """

    shape: tuple[int, int, int]
    corner: tuple[int, int, int] = (0, 0, 0)
    reduce: tuple[int, int, int] = (1, 2, 2)
    channels: int = 1


@dataclass(frozen=True, eq=False)
class Frame:
    """One frame as the network reads it.

    Parameters
    ----------
    image : (c, z, y, x) array of float32
        On the canvas, normalised.
    corner : (3,) array
        Of the canvas in the reduced volume, in reduced voxels.
    voxel_um : (3,) array
        Pitch of the reduced volume.
    offset_um : (3,) array
        Centre of its voxel (0, 0, 0).
    """

    image: NDArray[np.float32]
    corner: NDArray[np.intp]
    voxel_um: NDArray[np.float64]
    offset_um: NDArray[np.float64]

    def to_um(self, voxels: FloatArray) -> FloatArray:
        """Positions in µm (n, 3) of places on the canvas, in voxels."""
        positions: FloatArray = (voxels + self.corner) * self.voxel_um + self.offset_um
        return positions

    def to_voxels(self, zyx_um: FloatArray) -> FloatArray:
        """Places on the canvas, in voxels, of positions in µm (n, 3)."""
        places: FloatArray = (zyx_um - self.offset_um) / self.voxel_um - self.corner
        return places


def fit_canvas(
    volume: Volume,
    zyx_um: FloatArray,
    reduce: tuple[int, int, int] = (1, 2, 2),
    channels: int = 1,
    margin: int = MARGIN_VOXELS,
) -> Canvas:
    """Find a canvas that holds the labelled neurons with room to move in the plane.

    Parameters
    ----------
    volume : Volume
        Any of the recording.
    zyx_um : (n, 3) array
        All labelled places, of every labelled frame.
    reduce : (z, y, x)
        Voxels that become one.
    channels : int
    margin : int
        Room on each side, in reduced voxels.
    """
    whole = -(-np.array(volume.data.shape[1:]) // reduce)
    pitch = np.asarray(volume.voxel_um)
    places = (zyx_um / pitch - (np.array(reduce) - 1) / 2) / reduce
    low = np.maximum(np.floor(places.min(axis=0)) - margin, 0).astype(int)
    high = np.minimum(np.ceil(places.max(axis=0)) + margin + 1, whole).astype(int)
    low[0], high[0] = 0, whole[0]
    shape = [int(-(-n // m) * m) for n, m in zip(high - low, MULTIPLES, strict=True)]
    corner = [int(n) for n in (low + high - shape) // 2]
    return Canvas(
        (shape[0], shape[1], shape[2]), (corner[0], corner[1], corner[2]), reduce, channels
    )


def prepare(volume: Volume, canvas: Canvas) -> Frame:
    """Bring a volume to the canvas.

    Raises
    ------
    InputError
        Too few channels.
    """
    image = _reduced(volume, canvas.reduce, canvas.channels)
    corner = np.array(canvas.corner)
    cut = _window(image, corner, canvas.shape)
    return Frame(
        np.stack([_normalised(channel) for channel in cut]),
        corner,
        np.asarray(volume.voxel_um) * canvas.reduce,
        np.asarray(volume.voxel_um) * (np.array(canvas.reduce) - 1) / 2,
    )


def paint(frame: Frame, zyx_um: FloatArray, classes: NDArray[np.intp], radius: float) -> Any:
    """Give every voxel within `radius` of its nearest point that point's class.

    The radius counts in voxels of the volume before it was reduced, along each axis, as in Park
    et al. 2023.

    Returns
    -------
    (z, y, x) array of int16
    """
    shape = frame.image.shape[1:]
    labels = np.zeros(shape, np.int16)
    if len(zyx_um) == 0:
        return labels
    grid = np.indices(shape).reshape(3, -1).T.astype(np.float64)
    pitch = frame.voxel_um - 2 * frame.offset_um
    tree = cKDTree(zyx_um / pitch)
    reach = np.nextafter(radius, np.inf)  # SciPy leaves the bound itself out
    answer = tree.query(frame.to_um(grid) / pitch, distance_upper_bound=reach)
    distance, nearest = np.asarray(answer[0]), np.asarray(answer[1])
    inside = np.isfinite(distance)
    labels.reshape(-1)[inside] = classes[nearest[inside]]
    return labels


def place_labels(frame: Frame, labels: NDArray[Any], reduce: tuple[int, int, int]) -> Any:
    """Bring a label volume (z, y, x) to a frame's canvas: the largest class of each block."""
    blocks = _blocks(labels[None], reduce).max(axis=(2, 4, 6))
    return _window(blocks, frame.corner, frame.image.shape[1:])[0].astype(np.int16)


def _reduced(volume: Volume, reduce: tuple[int, int, int], channels: int) -> NDArray[np.float32]:
    if len(volume.data) < channels:
        raise InputError(
            f"volume {volume.id!r}: {len(volume.data)} channels, {channels} wanted",
            "train with fewer channels",
        )
    blocks = _blocks(volume.data[:channels], reduce)
    means: NDArray[np.float32] = blocks.mean(axis=(2, 4, 6), dtype=np.float32)
    return means


def _blocks(data: NDArray[Any], reduce: tuple[int, int, int]) -> NDArray[Any]:
    padding = [(0, -n % r) for n, r in zip(data.shape[1:], reduce, strict=True)]
    padded = np.pad(data, [(0, 0), *padding], mode="edge")
    split = [part for n, r in zip(padded.shape[1:], reduce, strict=True) for part in (n // r, r)]
    return padded.reshape(len(data), *split)


def _window(data: NDArray[Any], corner: NDArray[np.intp], shape: tuple[int, ...]) -> NDArray[Any]:
    result = np.zeros((len(data), *shape), data.dtype)
    low = np.maximum(corner, 0)
    high = np.maximum(np.minimum(corner + shape, data.shape[1:]), low)
    inside = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
    there = tuple(slice(a, b) for a, b in zip(low - corner, high - corner, strict=True))
    result[(slice(None), *there)] = data[(slice(None), *inside)]
    return result


def _normalised(image: NDArray[np.float32]) -> NDArray[np.float32]:
    floor, top = np.median(image), np.quantile(image, BRIGHT_QUANTILE)
    scaled = np.log1p(10 * np.maximum(image - floor, 0) / max(float(top - floor), 1e-6))
    normalised: NDArray[np.float32] = (scaled / np.log(11)).astype(np.float32)
    return normalised


def return_labels(
    labels: NDArray[np.int16], canvas: Canvas, shape: tuple[int, int, int]
) -> NDArray[np.int16]:
    """Bring labels (z, y, x) from the canvas back to a volume of `shape`; 0 outside of it."""
    reduced = -(-np.array(shape) // canvas.reduce)
    back = _window(labels[None], -np.array(canvas.corner), tuple(int(n) for n in reduced))[0]
    for axis, factor in enumerate(canvas.reduce):
        back = back.repeat(factor, axis)
    labelled: NDArray[np.int16] = back[: shape[0], : shape[1], : shape[2]]
    return labelled
