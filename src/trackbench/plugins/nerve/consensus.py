"""Volumes of one recording name each other until they agree.

The first table of a volume comes from its registration to the one labeled volume, which may lie
in another posture. Volumes of like posture register better to each other, so each table is
replaced by what the nearest volumes say, whose own tables were improved the same way: names
spread along chains of small steps (label propagation; Zhu and Ghahramani 2002, technical report
CMU-CALD-02-107). In between, each volume shares its names out one to one, with the same
preference of names as in the final assignment: where one of two close neurons is seen, it is the
one that people name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import torch
from scipy.sparse import coo_array, csr_array, vstack

from trackbench.core.assignment import pair_marginals
from trackbench.core.evidence import prefer_named
from trackbench.plugins.nerve.settings import LEAST
from trackbench.plugins.nerve.voters import ballots, nearest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from trackbench.core.geometry import FloatArray
    from trackbench.plugins.nerve.bending import Bendable
    from trackbench.plugins.nerve.settings import Settings

__all__ = ["agree", "link"]

SMALLEST: Final = 1e-3
"""A neuron that is less probable than this is counted as none."""


def link(templates: Bendable, shapes: torch.Tensor, settings: Settings) -> csr_array:
    """Say who each neuron is among the neurons of the volumes of nearest posture.

    Parameters
    ----------
    templates : Bendable
        All r volumes, padded to m neurons, in one pose.
    shapes : (r, a, 3) tensor
        Their postures.
    settings : Settings

    Returns
    -------
    (r * m, r * m) sparse array
        Mean probability over the volumes that vote; what is missing to one is "none".
    """
    blocks = [_links_of(r, templates, shapes, settings) for r in range(len(shapes))]
    return csr_array(vstack(blocks, format="csr"))


def _links_of(r: int, templates: Bendable, shapes: torch.Tensor, settings: Settings) -> coo_array:
    """Give the rows of one volume, (m, r * m)."""
    count, size = templates.real.shape
    chosen = nearest(shapes, shapes[r], settings.voters + 1)
    chosen = chosen[chosen != r][: settings.voters]
    points = templates.points[r, : int(templates.real[r].sum())]
    table = ballots(templates.take(chosen), points, settings)[..., :-1]
    voter, row, column = torch.nonzero(table > SMALLEST, as_tuple=True)
    value = table[voter, row, column] / max(len(chosen), 1)
    index = (row.numpy(), (chosen[voter] * size + column).numpy())
    return coo_array((value.numpy(), index), shape=(size, count * size))


def agree(
    members: torch.Tensor,
    known: torch.Tensor,
    links: csr_array,
    names: Sequence[str],
    settings: Settings,
) -> torch.Tensor:
    """Replace each table by what the linked neurons are, one to one, round by round.

    Parameters
    ----------
    members : (r, m, k + 1) tensor
        Tables of all volumes, last column = none.
    known : (r, m) tensor of bool
        Neurons that carry a name or stand for themselves: their tables stay.
    links : (r * m, r * m) sparse array
        Of `link`.
    names : sequence of str, length k
    settings : Settings
        How many rounds, and how much names are preferred.

    Returns
    -------
    (r, m, k + 1) tensor
    """
    for _ in range(settings.rounds):
        said = links @ members.flatten(0, 1).numpy()
        said[:, -1] += 1.0 - said.sum(axis=1)
        tables = torch.where(known[..., None], members, torch.from_numpy(said).view(members.shape))
        shared = [_one_to_one(table, names, settings.prefer_named) for table in tables.numpy()]
        members = torch.where(known[..., None], members, torch.from_numpy(np.stack(shared)).float())
    return members


def _one_to_one(table: FloatArray, names: Sequence[str], log_odds: float) -> FloatArray:
    """Share a volume's names out: in (m, k + 1), last column = none, no name is given twice."""
    log_p = np.log(np.maximum(table, LEAST))
    pairs = pair_marginals(prefer_named(log_p, names, log_odds))
    return np.hstack([pairs, 1.0 - pairs.sum(axis=1, keepdims=True)])
