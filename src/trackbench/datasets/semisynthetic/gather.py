"""What a simulation gives: padded batches, and how they are put together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["PADDED", "SPURIOUS", "Animals", "SimulatedBatch", "gathered"]

SPURIOUS, PADDED = -1, -2
MIN_POINTS = 12


@dataclass(frozen=True, eq=False)
class SimulatedBatch:
    """Views of simulated worms; (v, b) = views of one worm, worms.

    Parameters
    ----------
    zyx_um : Tensor, (v, b, n, 3)
        In the image frame (z optical), centred at the median; zero where padded.
    neuron : Tensor of int64, (v, b, n)
        Which neuron of the worm, the same number in every view; -1 spurious, -2 padded.
    name_index : Tensor of int64, (v, b, n)
        In the bank's list of names; -1 where unlabeled, spurious or padded.
    mask : Tensor of bool, (v, b, n)
        True where there is a point; those come first.
    color : Tensor, (v, b, n, c), or None
        As the bank has them.
    rotation : Tensor, (v, b, 3, 3)
        `zyx_um @ rotation.mT` turns a view back into the anatomical frame.
    mirrored : Tensor of bool, (b,)
    """

    zyx_um: Tensor
    neuron: Tensor
    name_index: Tensor
    mask: Tensor
    color: Tensor | None
    rotation: Tensor
    mirrored: Tensor

    def anatomical_um(self) -> Tensor:
        """Give the positions (v, b, n, 3) with the pose undone: z left to right, x long axis."""
        return self.zyx_um @ self.rotation.mT


@dataclass(frozen=True, eq=False)
class Animals:
    """Points (r, n, 3), which are seen (r, n), names (r, n), colors; a row is a view of a worm."""

    points: Tensor
    present: Tensor
    name_index: Tensor
    color: Tensor | None


def gathered(
    animals: Animals, n_neurons: int, rotation: Tensor, mirrored: Tensor, views: int
) -> SimulatedBatch:
    """Put the seen points first, cut the padding, centre, and split rows into (view, worm).

    Parameters
    ----------
    animals : Animals
        (v * b) rows, view after view.
    n_neurons : int
        Slots from this one on are spurious.
    rotation : Tensor, (v * b, 3, 3)
    mirrored : Tensor of bool, (b,)
    views : int
    """
    rows, slots = animals.present.shape
    batch = rows // views
    neurons = torch.arange(slots, device=rotation.device).expand(rows, -1)
    order = torch.argsort(animals.present.to(torch.int8), dim=1, descending=True, stable=True)
    width = int(animals.present.sum(1).max().clamp_min(MIN_POINTS))
    order = order[:, :width]
    mask = torch.gather(animals.present, 1, order)
    points = _take(animals.points, order)
    middle = torch.where(mask.unsqueeze(-1), points, torch.nan).nanmedian(1, keepdim=True).values
    points = torch.where(mask.unsqueeze(-1), points - middle, 0.0)
    own = torch.gather(neurons, 1, order)
    own = torch.where(own < n_neurons, own, SPURIOUS)
    color = None if animals.color is None else _take(animals.color, order)
    names = torch.gather(animals.name_index, 1, order)
    shape = (views, batch, width)
    return SimulatedBatch(
        points.view(*shape, 3),
        torch.where(mask, own, PADDED).view(shape),
        torch.where(mask, names, -1).view(shape),
        mask.view(shape),
        None if color is None else color.view(*shape, -1),
        rotation.view(views, batch, 3, 3),
        mirrored,
    )


def _take(values: Tensor, order: Tensor) -> Tensor:
    return torch.gather(values, 1, order.unsqueeze(-1).expand(-1, -1, values.shape[-1]))
