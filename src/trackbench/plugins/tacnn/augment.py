"""Random changes of a frame: pose, bend, a cut, brightness; and one sample of the training set."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from trackbench.core.deformation import WaveField, chain, sampling_grid, warp
from trackbench.core.geometry import AffineMap

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from trackbench.core.deformation import Deformation

    FloatArray = NDArray[np.floating[Any]]

__all__ = ["Sample", "Strength", "draw_sample"]

WAVES = np.array([(0, 1), (1, 0), (1, 1), (1, -1), (0, 2), (2, 0)], dtype=np.float64)
ALONG_AXES = np.array([0.3, 1.0, 1.0])
"""A worm between glass and agar bends less along z than in the plane."""


@dataclass(frozen=True)
class Strength:
    """How far random changes go.

    Parameters
    ----------
    turn : float
        Largest rotation in the plane, radians.
    scale : float
        Largest relative change of size.
    shift : float
        Largest shift, share of the canvas.
    bend : float
        Standard deviation of a random smooth displacement, share of the canvas.
    roll : float
        Standard deviation of a rotation about the x axis, radians.
    cut : float
        Probability that the part of the frame beyond a random line is removed.
    brightness : float
        Largest relative change of gain, and of the exponent.
    """

    turn: float = 0.2
    scale: float = 0.12
    shift: float = 0.05
    bend: float = 0.02
    roll: float = 0.1
    cut: float = 0.2
    brightness: float = 0.2


@dataclass(frozen=True, eq=False)
class Sample:
    """A labelled frame, and the deformation that makes another one of it.

    Parameters
    ----------
    image : (c, z, y, x) Tensor
    labels : (z, y, x) Tensor of int16
    voxel_um : (3,) array
        Pitch of the canvas.
    deformation : callable, optional
        From places of the new canvas to places of this one, µm from the first voxel; None for a
        frame as it was labelled.
    """

    image: Tensor
    labels: Tensor
    voxel_um: FloatArray
    deformation: Deformation | None = None

    def to(self, device: str) -> Sample:
        """Move the tensors."""
        return replace(self, image=self.image.to(device), labels=self.labels.to(device))


def draw_sample(
    sample: Sample, strength: Strength, rng: np.random.Generator
) -> tuple[Tensor, Tensor]:
    """Draw a changed image (c, z, y, x) and its labels (z, y, x): one interpolation."""
    shape = sample.labels.shape
    size_um = np.array(shape) * sample.voxel_um
    changes: list[Deformation] = [
        _random_waves(size_um, strength, rng),
        _random_pose(size_um, strength, rng),
    ]
    if sample.deformation is not None:
        changes.append(sample.deformation)
    grid = sampling_grid(chain(*changes), (shape[0], shape[1], shape[2]), sample.voxel_um)
    grid = grid.to(sample.image.device)
    image = warp(sample.image, grid)
    labels = warp(sample.labels[None], grid, labels=True)[0]
    image = _brightened(image, strength, rng)
    if rng.random() < strength.cut:
        keep = _half_plane(labels, rng)
        image, labels = image * keep, labels * keep
    return image, labels


def _random_pose(size_um: FloatArray, strength: Strength, rng: np.random.Generator) -> AffineMap:
    angle = rng.uniform(-strength.turn, strength.turn)
    scale = 1 + rng.uniform(-strength.scale, strength.scale)
    cos, sin = np.cos(angle), np.sin(angle)
    matrix = np.array([[1.0, 0.0, 0.0], [0.0, cos, -sin], [0.0, sin, cos]])
    matrix[1:] *= scale
    middle = size_um / 2
    shift = rng.uniform(-1, 1, 3) * strength.shift * size_um
    return AffineMap(matrix, middle + shift - matrix @ middle)


def _random_waves(size_um: FloatArray, strength: Strength, rng: np.random.Generator) -> WaveField:
    spread = strength.bend * size_um.max() / np.sqrt(len(WAVES))
    coefficients = np.zeros((4 + 4 * len(WAVES), 3))
    amplitudes = spread * rng.standard_normal((2 * len(WAVES), 3)) * ALONG_AXES
    coefficients[4 : 4 + 2 * len(WAVES)] = amplitudes / np.tile(np.hypot(*WAVES.T), 2)[:, None]
    period = 1.5 * float(size_um[1:].max())
    roll = strength.roll * rng.standard_normal() * period
    coefficients[1, 1], coefficients[2, 0] = roll, -roll
    return WaveField(size_um / 2, period, WAVES, coefficients)


def _brightened(image: Tensor, strength: Strength, rng: np.random.Generator) -> Tensor:
    gain, exponent = 1 + rng.uniform(-strength.brightness, strength.brightness, 2)
    changed: Tensor = gain * image.clamp(min=0) ** exponent
    return changed


def _half_plane(labels: Tensor, rng: np.random.Generator) -> Tensor:
    """Mask (y, x) of the larger side of a random line through the frame."""
    rows, columns = labels.shape[1:]
    y, x = torch.meshgrid(
        torch.arange(rows, device=labels.device),
        torch.arange(columns, device=labels.device),
        indexing="ij",
    )
    angle = rng.uniform(0, np.pi)
    side = (y - rng.uniform(0, rows)) * np.cos(angle) + (x - rng.uniform(0, columns)) * np.sin(
        angle
    )
    keep = side > 0
    larger: Tensor = keep if keep.sum() * 2 >= keep.numel() else ~keep
    return larger
