"""A training run on a recording: labels, targets, checkpoints, weights, a map of postures."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch

from trackbench.core.checkpoint import Checkpoint
from trackbench.core.keys import animal_key, content_key
from trackbench.core.types import PointCloud
from trackbench.errors import InputError, UsageError
from trackbench.plugins.tacnn.course import Course
from trackbench.plugins.tacnn.frames import Canvas, Frame, fit_canvas, prepare
from trackbench.plugins.tacnn.labelled import LabelledFrame, from_masks, from_points
from trackbench.plugins.tacnn.map import Map, draw_map
from trackbench.plugins.tacnn.posture import (
    choose_targets,
    nearest_labelled,
    posture_space,
    silhouette,
)
from trackbench.plugins.tacnn.weights import save_trained

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from trackbench.core.types import Volume
    from trackbench.datasets.recordings import Recording
    from trackbench.plugins.tacnn.training_config import TrainingConfig

    Labels = PointCloud | NDArray[np.integer[Any]]

__all__ = ["train"]

CHECKPOINT_SECONDS: Final = 5.0
FEWEST_POINTS: Final = 5
"""A frame with fewer labelled neurons is no training frame (Park et al. 2023)."""


@dataclass(frozen=True, eq=False)
class _Lesson:
    """All that a course needs, made of a recording and its labels."""

    canvas: Canvas
    names: tuple[str, ...]
    frames: tuple[LabelledFrame, ...]
    keys: tuple[str, ...]


def train(
    recording: Recording,
    labels: Mapping[int, Labels],
    config: TrainingConfig,
    out: Path,
    *,
    targets: int = 20,
    device: str = "cpu",
    threads: int = 1,
    advance: Callable[[int, float], object] | None = None,
) -> Path:
    """Train on the labelled frames of a recording; write `weights.safetensors`, `postures.png`.

    A run that was ended goes on from `checkpoint.pt` in the same folder, at most some seconds
    back, and reaches the same weights as one that was not.

    Parameters
    ----------
    recording : Recording
        With images.
    labels : mapping of int to PointCloud or (z, y, x) array of int
        Named points or numbered masks, by the index of their volume; all of one kind.
    config : TrainingConfig
    out : Path
        Folder of the run.
    targets : int
        How many frames labelled ones are deformed towards.
    device : str
        "cpu" or "cuda".
    threads : int
        Of torch.
    advance : callable, optional
        Takes the number of steps done and the last loss.

    Returns
    -------
    Path
        Of the weights.

    Raises
    ------
    UsageError
        No labels, or too few in a frame.
    InputError
        A volume that is missing or of another shape, or a checkpoint of another run.
    """
    torch.set_num_threads(threads)
    out.mkdir(parents=True, exist_ok=True)
    lesson = _lesson(recording, labels, config)
    chart = _chart(recording, lesson.canvas, sorted(labels), targets if config.targeted else 0)
    draw_map(chart, out / "postures.png")
    images = [_frame(recording, t, lesson.canvas).image for t in chart.targets]
    parents = [tuple(sorted(labels).index(t) for t in nearest) for nearest in chart.parents]
    pairs = list(zip(images, parents, strict=True))
    course = Course(config, lesson.frames, len(lesson.names) + 1, pairs, device)
    run = content_key(config, lesson.keys, chart.targets, lesson.names)
    _finish(course, Checkpoint(out / "checkpoint.pt", run), advance)
    weights = out / "weights.safetensors"
    numbers = [recording.header.numbers[t] for t in sorted(labels)]
    about = {
        "config": config.model_dump(mode="json"),
        "labelled": numbers,
        "targets": [recording.header.numbers[t] for t in chart.targets],
        "masks": not any(isinstance(item, PointCloud) for item in labels.values()),
    }
    save_trained(
        weights,
        course.learner.network,
        lesson.names,
        lesson.canvas,
        [frame.reference for frame in lesson.frames],
        about=about,
        trained_on=lesson.keys,
    )
    return weights


def _finish(
    course: Course, checkpoint: Checkpoint, advance: Callable[[int, float], object] | None
) -> None:
    """Take the steps that are left, with a checkpoint every five seconds."""
    saved = checkpoint.load()
    if saved is not None:
        course.resume(saved)
    since = time.monotonic()
    while course.done < course.steps:
        loss = course.step()
        if advance is not None:
            advance(course.done, loss)
        if time.monotonic() - since > CHECKPOINT_SECONDS or course.done == course.steps:
            checkpoint.save(course.state())
            since = time.monotonic()


def _lesson(recording: Recording, labels: Mapping[int, Labels], config: TrainingConfig) -> _Lesson:
    if not recording.has_images:
        raise InputError(f"{recording.header.path}: no images", "tacnn learns from image volumes")
    if not labels:
        raise UsageError(f"{recording.header.path}: no labelled frames", "label at least one frame")
    clouds = {t: item for t, item in labels.items() if isinstance(item, PointCloud)}
    masks = {t: item for t, item in labels.items() if not isinstance(item, PointCloud)}
    if clouds and masks:
        raise UsageError(
            f"{recording.header.path}: points in some frames, masks in others",
            "label all frames in one way",
        )
    return (
        _points_lesson(recording, clouds, config)
        if clouds
        else _masks_lesson(recording, masks, config)
    )


def _points_lesson(
    recording: Recording, clouds: Mapping[int, PointCloud], config: TrainingConfig
) -> _Lesson:
    named = {t: _named(cloud) for t, cloud in clouds.items()}
    names = tuple(sorted({name for cloud in named.values() for name in cloud.names or ()}))
    number = {name: k for k, name in enumerate(names, start=1)}
    first = min(named)
    places = np.concatenate([cloud.zyx_um for cloud in named.values()])
    canvas = fit_canvas(_volume(recording, first), places, config.reduce, config.channels)
    frames = tuple(
        from_points(
            _frame(recording, t, canvas),
            named[t].zyx_um,
            np.array([number[name] for name in named[t].names or ()], np.intp),
            config.radius,
        )
        for t in sorted(named)
    )
    keys = tuple(animal_key(clouds[t].zyx_um) for t in sorted(named))
    return _Lesson(canvas, names, frames, keys)


def _masks_lesson(
    recording: Recording, masks: Mapping[int, NDArray[np.integer[Any]]], config: TrainingConfig
) -> _Lesson:
    numbers = sorted({int(k) for mask in masks.values() for k in np.unique(mask)} - {0})
    if not numbers:
        raise UsageError(f"{recording.header.path}: the masks are empty", "label a neuron")
    table = np.zeros(numbers[-1] + 1, np.int16)
    table[numbers] = np.arange(1, len(numbers) + 1)
    volume = _volume(recording, min(masks))
    pitch = np.asarray(volume.voxel_um)
    places = np.concatenate([np.argwhere(mask > 0) * pitch for mask in masks.values()])
    canvas = fit_canvas(volume, places, config.reduce, config.channels)
    frames = tuple(
        from_masks(_frame(recording, t, canvas), table[masks[t]], config.reduce)
        for t in sorted(masks)
    )
    spacing = pitch * canvas.reduce
    keys = tuple(animal_key(frame.reference.voxels * spacing) for frame in frames)
    return _Lesson(canvas, tuple(str(k) for k in numbers), frames, keys)


def _named(cloud: PointCloud) -> PointCloud:
    kept = np.flatnonzero([bool(name) for name in cloud.names or ()])
    if len(kept) < FEWEST_POINTS:
        raise UsageError(
            f"{cloud.id}: {len(kept)} named neurons",
            f"a frame to learn from has at least {FEWEST_POINTS}",
        )
    return cloud.take(kept)


def _chart(recording: Recording, canvas: Canvas, labelled: list[int], count: int) -> Map:
    """Place all frames in posture space; choose targets and their parents."""
    there, rows = [], []
    for t in range(len(recording)):
        volume = recording.volume(t)
        if volume is not None:
            there.append(t)
            rows.append(silhouette(prepare(volume, canvas).image))
    places = posture_space(np.stack(rows))
    own = [there.index(t) for t in labelled]
    chosen = choose_targets(places, own, count)
    parents = [tuple(there[k] for k in nearest_labelled(places, own, place)) for place in chosen]
    targets = tuple(there[place] for place in chosen)
    return Map(places, tuple(there), tuple(labelled), targets, tuple(parents))


def _frame(recording: Recording, t: int, canvas: Canvas) -> Frame:
    return prepare(_volume(recording, t), canvas)


def _volume(recording: Recording, t: int) -> Volume:
    volume = recording.volume(t)
    if volume is None:
        raise InputError(
            f"{recording.header.path}: frame {recording.header.numbers[t]} is empty",
            "label another frame",
        )
    return volume
