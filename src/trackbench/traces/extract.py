"""Reads a recording once and measures the light at every track, volume by volume."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from trackbench.errors import InputError, UsageError
from trackbench.traces.sample import SampleConfig, sample

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from trackbench.datasets.recordings import Recording
    from trackbench.track.tracks import Tracks

    FloatArray = NDArray[np.float64]

__all__ = ["Fluorescence", "extract", "true_positions"]


@dataclass(frozen=True, eq=False)
class Fluorescence:
    """Light at the tracks.

    Parameters
    ----------
    channels : tuple of str, length C
    signal : (C, T, N) array
        Mean brightness of each neuron, background subtracted; NaN where it wasn't found.
    background : (C, T, N) array
        What was subtracted.
    """

    channels: tuple[str, ...]
    signal: FloatArray
    background: FloatArray


def extract(
    recording: Recording,
    tracks: Tracks,
    positions: Sequence[FloatArray],
    config: SampleConfig | None = None,
    advance: Callable[[int], object] = int,
) -> tuple[list[Fluorescence], list[tuple[int, str]]]:
    """Measure the light at one or more sets of positions in one pass over the recording.

    Parameters
    ----------
    recording : Recording
        With images.
    tracks : Tracks
        Of this recording; all its detections keep their light from others' background.
    positions : sequence of (T, N, 3) arrays
        Such as the tracks themselves, and the true positions.
    config : SampleConfig, optional
    advance : callable
        Told of each volume.

    Returns
    -------
    fluorescence : list of Fluorescence
        One a set of positions.
    notes : list of (int, str)
        Frame number and reason of every volume that couldn't be read.

    Raises
    ------
    UsageError
        A recording without images, or one of another length than the tracks.
    """
    _check(recording, tracks)
    config = config or SampleConfig()
    shape = (2, len(recording.header.channels), *tracks.flags.shape)
    light = [np.full(shape, np.nan) for _ in positions]
    notes: list[tuple[int, str]] = []
    for t in range(len(tracks)):
        try:
            volume = recording.volume(t)
        except InputError as error:
            notes.append((int(tracks.numbers[t]), str(error)))
            volume = None
        if volume is not None:
            found = tracks.detections.zyx_um[tracks.detections.rows(t)].astype(np.float64)
            for measured, zyx_um in zip(light, positions, strict=True):
                others = _others(found, zyx_um[t])
                measured[:, :, t] = sample(volume, zyx_um[t], others, config)
        advance(1)
    names = recording.header.channels
    return [Fluorescence(names, raw - around, around) for raw, around in light], notes


def true_positions(recording: Recording, tracks: Tracks) -> FloatArray:
    """Give where the neurons of the tracks' names really are, (T, N, 3), NaN where not known."""
    truth = np.full(tracks.zyx_um.shape, np.nan)
    column = {name: j for j, name in enumerate(tracks.names) if name}
    for t in range(len(tracks)):
        cloud = recording.points(t)
        if cloud is None or cloud.names is None:
            continue
        for position, name in zip(cloud.zyx_um, cloud.names, strict=True):
            if name in column:
                truth[t, column[name]] = position
    return truth


def _others(found: FloatArray, zyx_um: FloatArray, within_um: float = 0.5) -> FloatArray:
    """Leave out of all detections those that are one of the positions."""
    placed = zyx_um[np.isfinite(zyx_um[:, 0])]
    if not len(placed) or not len(found):
        return found
    apart = np.linalg.norm(found[:, None] - placed[None], axis=2).min(axis=1)
    others: FloatArray = found[apart > within_um]
    return others


def _check(recording: Recording, tracks: Tracks) -> None:
    if not recording.has_images:
        raise UsageError(
            f"{recording.header.path}: the recording has no images", "traces need intensities"
        )
    if tuple(tracks.numbers.tolist()) != recording.header.numbers:
        raise UsageError(
            f"the tracks have {len(tracks)} volumes, {recording.header.path} has {len(recording)}"
            " or other frame numbers",
            "give the recording that was tracked",
        )
