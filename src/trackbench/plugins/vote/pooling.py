"""How votes become one table: templates' weights, and the mean or product of their votes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from trackbench.core.assignment import assign
from trackbench.core.evidence import normalise_rows

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from trackbench.plugins.vote.ballot import Ballot

    FloatArray = NDArray[np.float64]

__all__ = ["choose_templates", "confidence", "hard_votes", "pool_mean", "pool_product"]

FLOOR = 1e-6
"""Probability below which a vote says nothing more: a matcher's error, not its evidence."""


def confidence(log_p: FloatArray, ballot: Ballot) -> FloatArray:
    """Mean over the test neurons of the best log-probability, for each template, (r,).

    Parameters
    ----------
    log_p : (n_test, s) array
        All matches side by side.
    ballot : Ballot
    """
    pairs = [slice(a, b - 1) for a, b in zip(ballot.starts[:-1], ballot.starts[1:], strict=True)]
    floor = np.log(FLOOR)
    best = [
        log_p[:, part].max(axis=1) if part.stop > part.start else np.full(len(log_p), floor)
        for part in pairs
    ]
    sure: FloatArray = np.maximum(best, floor).mean(axis=1)
    return sure


def choose_templates(sure: FloatArray, max_templates: int | None, focus: float) -> FloatArray:
    """Weights of the templates, summing to one, (r,): the surest ones, or all.

    Parameters
    ----------
    sure : (r,) array
        `confidence` of each; minus infinity for one that has no vote.
    max_templates : int or None
    focus : float
        Weights are exp(focus * sure).
    """
    votes = np.isfinite(sure)
    weights: FloatArray = np.exp(focus * (np.where(votes, sure, sure.max()) - sure.max())) * votes
    if max_templates is not None and max_templates < len(sure):
        weights[np.argsort(-sure, kind="stable")[max_templates:]] = 0.0
    weights /= weights.sum()
    return weights


def hard_votes(log_p: FloatArray, ballot: Ballot) -> FloatArray:
    """One vote a test neuron and template, as in the paper: its partner in the assignment."""
    votes = np.zeros_like(log_p)
    for a, b in zip(ballot.starts[:-1], ballot.starts[1:], strict=True):
        partner = assign(log_p[:, a:b])
        votes[np.arange(len(votes)), np.where(partner < 0, b - 1, a + partner)] = 1.0
    return votes


def pool_mean(votes: FloatArray, ballot: Ballot, weights: FloatArray) -> FloatArray:
    """Average the votes: the law of total probability over the templates; log, rows normalised.

    A name that few templates carry collects few votes, as it should: people who didn't name it
    in those worms won't have named it here.

    Parameters
    ----------
    votes : (n_test, s) array
        Probabilities, or hard votes.
    ballot : Ballot
    weights : (r,) array

    Returns
    -------
    (n_test, k + 1) array
    """
    weighted = votes * weights[ballot.template_of]
    return normalise_rows(np.log((ballot.name_of.T @ weighted.T).T + FLOOR))


def pool_product(log_p: FloatArray, ballot: Ballot, weights: FloatArray) -> FloatArray:
    """Average each name's log-probability over all templates; rows normalised.

    A template that lacks a name spreads its "none of these" evenly over the names it lacks.

    Returns
    -------
    (n_test, k + 1) array
    """
    total = np.zeros((len(log_p), len(ballot.names) + 1))
    for t, weight in enumerate(weights):
        rows = slice(ballot.starts[t], ballot.starts[t + 1])
        name_of = ballot.name_of[rows]
        table = (name_of.T @ np.exp(log_p[:, rows]).T).T
        lacking = np.bincount(name_of.indices, minlength=table.shape[1]) == 0
        lacking[-1] = True
        table[:, lacking] = table[:, -1:] / lacking.sum()
        total += weight * np.log(table + FLOOR)
    return normalise_rows(total)
