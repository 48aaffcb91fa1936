"""What is learned from the volumes of one recording: which neuron is which, and all postures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from trackbench.core.types import ANONYMOUS
from trackbench.plugins.nerve.bending import Bendable, bendable, stack
from trackbench.plugins.nerve.consensus import agree, link
from trackbench.plugins.nerve.correction import corrected, places_of
from trackbench.plugins.nerve.frames import body_frame, pad
from trackbench.plugins.nerve.registration import posterior, register
from trackbench.plugins.nerve.voters import ballots, nearest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from trackbench.core.geometry import FloatArray
    from trackbench.core.types import PointCloud
    from trackbench.plugins.nerve.settings import Settings

__all__ = ["Recording", "learn", "vote"]


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
        All volumes, turned into the anchor's pose.
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
    """Relate all volumes to the one with most names, then let each be named by the others.

    Parameters
    ----------
    references : sequence of PointCloud
        At least one; names where they are known.
    settings : Settings
    """
    labels = [_labels(cloud) for cloud in references]
    chosen = max(range(len(labels)), key=lambda r: (sum(map(bool, labels[r])), -r))
    frames = [body_frame(cloud.zyx_um) for cloud in references]
    anchor = bendable(frames[chosen], settings.modes)
    fit = register(anchor, *pad(frames), settings)
    turned = [fit.tests[r, : len(frame)].double().numpy() for r, frame in enumerate(frames)]
    templates = stack([bendable(frame, settings.modes) for frame in turned])
    table = posterior(anchor, fit, settings).exp()
    own = tuple(name or f"{ANONYMOUS}{j}" for j, name in enumerate(labels[chosen]))
    labels[chosen] = own
    names = tuple(dict.fromkeys([*own, *(name for row in labels for name in row if name)]))
    members, known = _members(table, labels, names, len(own))
    if settings.rounds and len(references) > 1:
        links = link(templates, fit.moved, settings)
        members = agree(members, known, links, names, settings)
    places = [
        places_of(row[: len(frame)].double().numpy(), frame)
        for row, frame in zip(members, turned, strict=True)
    ]
    return Recording(names, anchor, templates, members, fit.moved, np.stack(places))


def _labels(cloud: PointCloud) -> tuple[str, ...]:
    return cloud.names if cloud.names is not None else ("",) * len(cloud)


def _members(
    table: torch.Tensor, labels: Sequence[tuple[str, ...]], names: tuple[str, ...], own: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Widen the anchor's table (r, m, own + 1) to all names; what is labeled is certain.

    Also tell which neurons are labeled, (r, m).
    """
    members = torch.zeros(*table.shape[:2], len(names) + 1)
    members[..., :own] = table[..., :-1]
    members[..., -1] = table[..., -1]
    known = torch.zeros(table.shape[:2], dtype=torch.bool)
    column = {name: k for k, name in enumerate(names)}
    for r, row in enumerate(labels):
        for j, name in enumerate(row):
            if name:
                known[r, j] = True
                members[r, j] = 0.0
                members[r, j, column[name]] = 1.0
    return members, known


@torch.no_grad()
def vote(
    recording: Recording, points: torch.Tensor, correction: float, settings: Settings
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
    correction : float
        Weight of the leave-one-out correction.
    settings : Settings
    """
    fit = register(recording.anchor, points[None], torch.ones(1, len(points)), settings)
    chosen = nearest(recording.shapes, fit.moved[0], settings.voters)
    turned = fit.tests[0]
    table = ballots(recording.templates.take(chosen), turned, settings)
    votes = table[..., :-1] @ recording.members[chosen]
    votes[..., -1] += table[..., -1]
    p: FloatArray = votes.mean(dim=0).double().numpy()
    if not correction:
        return p
    return corrected(p, turned.double().numpy(), recording.places[chosen.numpy()], correction)
