"""Loopy belief propagation on the graph of neighbouring neurons."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from trackbench.core.evidence import normalise_rows
from trackbench.core.geometry import distances

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from trackbench.core.geometry import FloatArray

__all__ = ["Graph", "neighbours", "propagate"]

DAMPING: Final = 0.5
"""Share of the old message that is kept: loops would swing otherwise."""


@dataclass(frozen=True, eq=False)
class Graph:
    """Pairs of neighbours, each in both directions.

    Parameters
    ----------
    source, target : (e,) arrays of int
    reverse : (e,) array of int
        Where the same pair stands the other way round.
    """

    source: NDArray[np.intp]
    target: NDArray[np.intp]
    reverse: NDArray[np.intp]


def neighbours(zyx_um: FloatArray, count: int) -> Graph:
    """Join each neuron with its `count` nearest; (n, 3) positions in µm."""
    apart = distances(zyx_um, zyx_um)
    np.fill_diagonal(apart, np.inf)
    kept = min(count, max(0, len(zyx_um) - 1))
    nearest = np.argsort(apart, axis=1, kind="stable")[:, :kept]
    joined = np.zeros(apart.shape, dtype=bool)
    joined[np.arange(len(zyx_um))[:, None], nearest] = True
    joined |= joined.T
    source, target = np.nonzero(joined)
    order = np.zeros(apart.shape, dtype=np.intp)
    order[source, target] = np.arange(len(source))
    return Graph(source, target, order[target, source])


def propagate(unary: FloatArray, pairwise: FloatArray, graph: Graph, rounds: int) -> FloatArray:
    """Pass messages until neighbours agree; sum-product, all edges at once.

    Pearl 1988, as loopy propagation (Murphy, Weiss and Jordan 1999).

    Parameters
    ----------
    unary : (n, c) array
        Log-evidence of each neuron's candidates.
    pairwise : (e, c, c) array
        Log-compatibility of the source's candidates (rows) with the target's.
    graph : Graph
    rounds : int

    Returns
    -------
    (n, c) array
        Log-beliefs, rows normalised.
    """
    message: FloatArray = np.zeros((len(graph.source), unary.shape[1]))
    belief = normalise_rows(unary)
    for _ in range(rounds):
        without_target = belief[graph.source] - message[graph.reverse]
        peak = without_target.max(axis=1, keepdims=True)
        summed = np.einsum(
            "ea,eab->eb", np.exp(without_target - peak), np.exp(pairwise), optimize=True
        )
        new = normalise_rows(np.log(summed))
        message = np.asarray(DAMPING * message + (1.0 - DAMPING) * new, dtype=np.float64)
        total = unary.copy()
        np.add.at(total, graph.target, message)
        belief = normalise_rows(total)
    return belief
