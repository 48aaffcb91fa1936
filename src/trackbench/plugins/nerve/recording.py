"""What is learned from the volumes of one recording: which neuron is which, and all postures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from trackbench.core.types import ANONYMOUS
from trackbench.plugins.nerve.bending import Bendable, bendable, stack
from trackbench.plugins.nerve.correction import corrected, places_of
from trackbench.plugins.nerve.frames import body_frame, pad
from trackbench.plugins.nerve.registration import posterior, register

if TYPE_CHECKING:
    from collections.abc import Sequence

    from trackbench.core.geometry import FloatArray
    from trackbench.core.types import PointCloud
    from trackbench.plugins.nerve.settings import Settings

__all__ = ["Recording", "learn", "nearest", "vote"]


@dataclass(frozen=True, eq=False)
class Recording:
    """The volumes of one recording, each neuron of each with its table over names.

    Parameters
    ----------
    names : tuple of str, length k
        Candidates: the anchor's neurons first, named or anonymous.
    anchor : Bendable
        The volume with most names, onto which all others are related.
    templates : Bendable
        All volumes.
    members : (r, m, k + 1) tensor
        Probability that a volume's neuron is a candidate, last column = none of them: the
        registration vectors, read the other way round.
    shapes : (r, a, 3) tensor
        The anchor's neurons where each volume has them, µm: its posture.
    places : (r, k, 3) array
        Each volume's own neuron for each candidate, one to one, µm; NaN where it has none.
    """

    names: tuple[str, ...]
    anchor: Bendable
    templates: Bendable
    members: torch.Tensor
    shapes: torch.Tensor
    places: FloatArray


@torch.no_grad()
def learn(references: Sequence[PointCloud], settings: Settings) -> Recording:
    """Relate all volumes to the one with most names.

    Parameters
    ----------
    references : sequence of PointCloud
        At least one; names where they are known.
    settings : Settings
    """
    labels = [_labels(cloud) for cloud in references]
    chosen = max(range(len(labels)), key=lambda r: (sum(map(bool, labels[r])), -r))
    frames = [body_frame(cloud.zyx_um) for cloud in references]
    bends = [bendable(frame, settings.modes) for frame in frames]
    points, real = pad(frames)
    fit = register(bends[chosen], points, real, settings)
    table = posterior(bends[chosen], fit, settings).exp()
    own = tuple(name or f"{ANONYMOUS}{j}" for j, name in enumerate(labels[chosen]))
    labels[chosen] = own
    names = tuple(dict.fromkeys([*own, *(name for row in labels for name in row if name)]))
    members = _members(table, labels, names, len(own))
    places = [
        places_of(table[: len(frame)].double().numpy(), frame)
        for table, frame in zip(members, frames, strict=True)
    ]
    return Recording(names, bends[chosen], stack(bends), members, fit.moved, np.stack(places))


def _labels(cloud: PointCloud) -> tuple[str, ...]:
    return cloud.names if cloud.names is not None else ("",) * len(cloud)


def _members(
    table: torch.Tensor, labels: Sequence[tuple[str, ...]], names: tuple[str, ...], own: int
) -> torch.Tensor:
    """Widen the anchor's table (r, m, own + 1) to all names; what is labeled is certain."""
    members = torch.zeros(*table.shape[:2], len(names) + 1)
    members[..., :own] = table[..., :-1]
    members[..., -1] = table[..., -1]
    column = {name: k for k, name in enumerate(names)}
    for r, row in enumerate(labels):
        for j, name in enumerate(row):
            if name:
                members[r, j] = 0.0
                members[r, j, column[name]] = 1.0
    return members


def nearest(recording: Recording, shape: torch.Tensor, count: int) -> torch.Tensor:
    """Find the volumes whose posture is nearest to `shape` (a, 3): no name is looked at.

    The distance is what the best rotation and shift leave (Umeyama 1991, equation 33).
    """
    one = shape - shape.mean(dim=0)
    all_ = recording.shapes - recording.shapes.mean(dim=1, keepdim=True)
    u, singular, vt = torch.linalg.svd(all_.transpose(1, 2) @ one)
    mirror = torch.sign(torch.linalg.det(u @ vt))
    overlap = singular[:, 0] + singular[:, 1] + singular[:, 2] * mirror
    left = all_.square().sum(dim=(1, 2)) - 2.0 * overlap
    return torch.argsort(left, stable=True)[:count]


@torch.no_grad()
def vote(
    recording: Recording,
    points: torch.Tensor,
    voters: int,
    correction: float,
    settings: Settings,
) -> FloatArray:
    """Probability of each candidate for each neuron of one test, (n, k + 1).

    The anchor is registered onto the test, the volumes of nearest posture are chosen, registered
    too, and what their neurons are is averaged; where the other neurons predict a neuron then
    corrects the votes.

    Parameters
    ----------
    recording : Recording
    points : (n, 3) tensor
        In the body frame.
    voters : int
        How many volumes vote.
    correction : float
        Weight of the leave-one-out correction.
    settings : Settings
    """
    real = torch.ones(1, len(points))
    first = register(recording.anchor, points[None], real, settings)
    chosen = nearest(recording, first.moved[0], voters)
    templates = recording.templates.take(chosen)
    tests = points.expand(len(chosen), -1, -1)
    fit = register(templates, tests, real.expand(len(chosen), -1), settings)
    table = posterior(templates, fit, settings).exp()
    votes = table[..., :-1] @ recording.members[chosen]
    votes[..., -1] += table[..., -1]
    p = votes.mean(dim=0).double().numpy()
    return corrected(p, points.double().numpy(), recording.places[chosen.numpy()], correction)
