"""The bank of labeled worms that simulated worms are drawn from, ready on the device."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import torch

from trackbench.core.geometry import FloatArray, fit_thin_plate
from trackbench.datasets.semisynthetic.worms import LabeledWorm, all_names

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

MIN_SHARED_NAMES = 20
"""Fewer landmarks than this don't tie down the shape of another worm."""

MAX_DISPLACEMENT_UM = 30.0
T = TypeVar("T", bound=np.generic)


@dataclass(frozen=True, eq=False)
class WormBank:
    """Worms in one anatomical frame, and how each would have to move to look like each other.

    Parameters
    ----------
    names : tuple of str
        All names; `name_index` counts in this list.
    zyx_um : Tensor, (w, n, 3)
        Zero where padded.
    name_index : Tensor of int64, (w, n)
        -1 where unlabeled or padded.
    present : Tensor of bool, (w, n)
        False where padded.
    color : Tensor, (w, n, c), or None
    displacement_um : Tensor, (w, w, n, 3)
        Of the neurons of the first worm towards the shape of the second: a thin-plate spline
        through the names that both carry.
    reachable : Tensor of bool, (w, w)
        Whether the two share enough names for that.
    partner : Tensor of int64, (w, w, n)
        Row of the second worm that carries the same name, or -1.
    digests : tuple of str
        Keys of the animals (`core.keys.animal_key`); empty for worms drawn from an atlas.
    """

    names: tuple[str, ...]
    zyx_um: torch.Tensor
    name_index: torch.Tensor
    present: torch.Tensor
    color: torch.Tensor | None
    displacement_um: torch.Tensor
    reachable: torch.Tensor
    partner: torch.Tensor
    digests: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.zyx_um)

    @property
    def device(self) -> torch.device:
        """Where the tensors lie."""
        return self.zyx_um.device

    @classmethod
    def from_worms(
        cls,
        worms: Sequence[LabeledWorm],
        *,
        smoothing_um: float = 0.3,
        names: Sequence[str] | None = None,
        device: str | torch.device = "cpu",
    ) -> WormBank:
        """Build the bank from worms that already share a frame (`to_anatomical_frame`).

        Parameters
        ----------
        worms : sequence of LabeledWorm
        smoothing_um : float
            Of the thin-plate splines; 0 puts every named neuron exactly where the other worm
            has it.
        names : sequence of str, optional
            The list that `name_index` counts in; by default the names that occur.
        device : str or torch.device
        """
        listed = tuple(names) if names is not None else all_names(worms)
        index = {name: i for i, name in enumerate(listed)}
        rows = [np.array([index.get(n, -1) for n in worm.names], dtype=np.int64) for worm in worms]
        moves, reachable, partner = _displacements(worms, rows, smoothing_um)
        present = _padded([np.ones(len(worm.names), dtype=np.bool_) for worm in worms], False)
        tensors = (
            _padded([worm.zyx_um.astype(np.float32) for worm in worms], 0.0),
            _padded(rows, -1),
            present,
            _padded([worm.color.astype(np.float32) for worm in worms], 0.0),
            moves,
            reachable,
            partner,
        )
        points, labels, there, color, move, reach, same = (
            torch.as_tensor(array, device=device) for array in tensors
        )
        digests = tuple(worm.digest for worm in worms if worm.digest)
        return cls(listed, points, labels, there, color, move, reach, same, digests)


def _displacements(
    worms: Sequence[LabeledWorm], rows: Sequence[NDArray[np.int64]], smoothing_um: float
) -> tuple[NDArray[np.float32], NDArray[np.bool_], NDArray[np.int64]]:
    count, width = len(worms), max(len(row) for row in rows)
    moves = np.zeros((count, count, width, 3), dtype=np.float32)
    reachable = np.eye(count, dtype=np.bool_)
    partner = np.full((count, count, width), -1, dtype=np.int64)
    for i, j in np.ndindex(count, count):
        _, own, other = np.intersect1d(rows[i], rows[j], return_indices=True)
        own, other = own[rows[i][own] >= 0], other[rows[j][other] >= 0]
        partner[i, j, own] = other
        if i != j and len(own) >= MIN_SHARED_NAMES:
            reachable[i, j] = True
            start = worms[i].zyx_um
            moves[i, j, : len(start)] = _towards(start, own, worms[j].zyx_um[other], smoothing_um)
    return moves, reachable, partner


def _towards(
    start: FloatArray, own: NDArray[np.intp], target: FloatArray, smoothing_um: float
) -> FloatArray:
    spline = fit_thin_plate(start[own], target, smoothing=smoothing_um)
    move = spline(start) - start
    length = np.linalg.norm(move, axis=1, keepdims=True)
    # far outside the landmarks the spline is an extrapolation
    shortened: FloatArray = move * np.minimum(1.0, MAX_DISPLACEMENT_UM / np.maximum(length, 1e-9))
    return shortened


def _padded(rows: Sequence[NDArray[T]], fill: float) -> NDArray[T]:
    width = max(len(row) for row in rows)
    out = np.full((len(rows), width, *rows[0].shape[1:]), fill, dtype=rows[0].dtype)
    for i, row in enumerate(rows):
        out[i, : len(row)] = row
    return out
