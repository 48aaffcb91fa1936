"""A small 3D U-Net that gives every voxel features, and a head that names them.

Narrow enough for a CPU. Blocks of 2 x 2 voxels in the plane are folded into channels first and
unfolded last, so that no convolution runs at the input's resolution; group normalisation because
a batch is one volume; the head is a perceptron on single voxels, so that training pays for the
voxels in the loss alone.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import torch
from torch import Tensor, nn
from torch.nn import functional

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["MULTIPLES", "Architecture", "TacnnNetwork", "coordinates", "voxel_coordinates"]

FOLD: Final = 2
POOL: Final = (2, 2, 2)
MULTIPLES: Final = (4, 8, 8)
"""What the sides (z, y, x) of an image must be multiples of: two pools, and the fold in y, x."""

GROUPS: Final = 8
UNIT_VOXELS: Final = 32.0
PRIOR_WIDTH: Final = 0.25
"""Width of the prior of places when training begins, in units of 32 voxels."""


@dataclass(frozen=True)
class Architecture:
    """Sizes of the network.

    Parameters
    ----------
    channels : int
        Of the image; three channels of coordinates are added.
    classes : int
        Background included.
    widths : tuple of int
        Of the three levels, the finest first.
    fine : int
        Features of its own that each voxel has; the others it shares with its block.
    head : int
        Width of the head's hidden layer.
    """

    channels: int
    classes: int
    widths: tuple[int, int, int] = (32, 64, 96)
    fine: int = 16
    head: int = 96


class TacnnNetwork(nn.Module):
    """Image and coordinates to features; features to one score a class."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        first, second, third = architecture.widths
        block, fine = FOLD * FOLD, architecture.fine
        self.architecture = architecture
        self.levels = nn.ModuleList(
            nn.Sequential(_convolution(inputs, outputs), _convolution(outputs, outputs))
            for inputs, outputs in (
                ((architecture.channels + 3) * block, first),
                (first, second),
                (second, third),
            )
        )
        self.across = nn.ModuleList([nn.Conv3d(third, second, 1), nn.Conv3d(second, first, 1)])
        self.up = nn.ModuleList([_convolution(second, second), _convolution(first, first)])
        self.unfold = nn.Conv3d(first, fine * block, 1)
        self.head = nn.Sequential(
            nn.Linear(fine + first, architecture.head),
            nn.ReLU(),
            nn.Linear(architecture.head, architecture.classes),
        )
        self.places = nn.Buffer(torch.zeros(architecture.classes - 1, 3))
        self.log_width = nn.Parameter(torch.tensor(math.log(PRIOR_WIDTH)))

    def set_places(self, places: Tensor) -> None:
        """Tell where each neuron (classes - 1, 3) is on average: coordinates, background left out.

        They are a prior of the scores, so that training begins with the nearest places instead of
        with chance; its width is learned.
        """
        self.places.copy_(places)

    def features(self, image: Tensor) -> Tensor:
        """Features (z, y, x, f) of an image (c, z, y, x) whose sides `MULTIPLES` divide."""
        level = _folded(torch.cat([image, coordinates(image)]))
        skips = []
        for number, block in enumerate(self.levels):
            level = block(functional.max_pool3d(level, POOL) if number else level)
            skips.append(level)
        skips.pop()
        for across, block in zip(self.across, self.up, strict=True):
            coarse = functional.interpolate(across(level), scale_factor=2.0, mode="nearest")
            level = block(skips.pop() + coarse)
        shared = level.repeat_interleave(FOLD, 3).repeat_interleave(FOLD, 4)
        return torch.cat([_unfolded(self.unfold(level)), shared[0]]).permute(1, 2, 3, 0)

    def scores(self, features: Tensor, places: Tensor) -> Tensor:
        """Scores (n, classes) of voxels with features (n, f) at coordinates (n, 3)."""
        distance = torch.cdist(places.float(), self.places)
        prior = (-0.5 * (distance * torch.exp(-self.log_width)).square()).log_softmax(dim=1)
        found: Tensor = self.head(features).float()
        return torch.cat([found[:, :1], found[:, 1:] + prior], dim=1)

    def forward(self, image: Tensor) -> Tensor:
        """Scores (z, y, x, classes) of an image (c, z, y, x)."""
        features = self.features(image).flatten(0, 2)
        places = coordinates(image).flatten(1).T
        scores = self.scores(features, places)
        return scores.view(*image.shape[1:], scores.shape[1])


def coordinates(image: Tensor) -> Tensor:
    """Coordinates (3, z, y, x) of every voxel of an image (c, z, y, x)."""
    axes = [torch.arange(n, device=image.device, dtype=image.dtype) for n in image.shape[1:]]
    places = torch.stack(torch.meshgrid(*axes, indexing="ij"), dim=-1)
    return voxel_coordinates(places, image.shape[1:]).movedim(-1, 0)


def voxel_coordinates(places: Tensor, shape: Sequence[int]) -> Tensor:
    """Coordinates (..., 3) of places in voxels: 0 in the middle, one unit = 32 voxels."""
    middle = (torch.tensor(shape, device=places.device, dtype=places.dtype) - 1) / 2
    return (places - middle) / UNIT_VOXELS


def _convolution(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv3d(inputs, outputs, 3, padding=1, bias=False),
        nn.GroupNorm(GROUPS, outputs),
        nn.ReLU(),
    )


def _folded(image: Tensor) -> Tensor:
    """Make channels (1, 4 c, z, y / 2, x / 2) of blocks of an image (c, z, y, x)."""
    return functional.pixel_unshuffle(image.transpose(0, 1), FOLD).transpose(0, 1)[None]


def _unfolded(level: Tensor) -> Tensor:
    """Make an image (c, z, y, x) of channels (1, 4 c, z, y / 2, x / 2)."""
    return functional.pixel_shuffle(level[0].transpose(0, 1), FOLD).transpose(0, 1)
