"""Frames that a person labelled, as the network learns them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch

from trackbench.plugins.tacnn.augment import Sample
from trackbench.plugins.tacnn.estimate import Reference
from trackbench.plugins.tacnn.frames import paint, place_labels

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from trackbench.plugins.tacnn.frames import Frame

__all__ = ["LabelledFrame", "from_masks", "from_points", "mean_places"]

REACH: Final = 1.6
"""The voxels that a point paints reach this many radii of a nucleus far."""


@dataclass(frozen=True, eq=False)
class LabelledFrame:
    """A frame with its labels: voxels to learn, and neurons to deform by."""

    sample: Sample
    reference: Reference


def from_points(
    frame: Frame, zyx_um: NDArray[Any], classes: NDArray[np.intp], radius: float
) -> LabelledFrame:
    """Label a frame by points: each paints the voxels around it.

    Parameters
    ----------
    frame : Frame
    zyx_um : (n, 3) array
    classes : (n,) array of int
        From 1.
    radius : float
        In voxels of the volume.
    """
    labels = paint(frame, zyx_um, classes, radius)
    pitch = frame.voxel_um - 2 * frame.offset_um
    nucleus = radius * float(pitch[1:].mean()) / REACH
    return _labelled(frame, labels, classes, frame.to_voxels(zyx_um), nucleus)


def from_masks(frame: Frame, labels: NDArray[Any], reduce: tuple[int, int, int]) -> LabelledFrame:
    """Label a frame by a volume (z, y, x) of classes, 0 = background."""
    placed = place_labels(frame, labels, reduce)
    classes = np.unique(placed[placed > 0]).astype(np.intp)
    voxels = np.array([np.argwhere(placed == number).mean(axis=0) for number in classes])
    sizes = [np.count_nonzero(placed == number) for number in classes]
    ball = float(np.median(sizes)) * float(np.prod(frame.voxel_um))
    return _labelled(
        frame, placed, classes, voxels.reshape(-1, 3), (ball * 3 / (4 * np.pi)) ** (1 / 3)
    )


def mean_places(frames: Sequence[LabelledFrame], classes: int) -> NDArray[np.float64]:
    """Mean place on the canvas (classes - 1, 3), in voxels, of every neuron."""
    total, count = np.zeros((classes, 3)), np.zeros(classes)
    for frame in frames:
        np.add.at(total, frame.reference.classes, frame.reference.voxels)
        np.add.at(count, frame.reference.classes, 1)
    places: NDArray[np.float64] = total[1:] / np.maximum(count[1:], 1)[:, None]
    return places


def _labelled(
    frame: Frame,
    labels: NDArray[Any],
    classes: NDArray[np.intp],
    voxels: NDArray[Any],
    radius_um: float,
) -> LabelledFrame:
    sample = Sample(torch.from_numpy(frame.image), torch.from_numpy(labels), frame.voxel_um)
    reference = Reference(frame.image, frame.voxel_um, classes, voxels, radius_um)
    return LabelledFrame(sample, reference)
