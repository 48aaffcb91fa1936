"""Refinement: neighbours move together, and whoever disagrees with them is scored down.

An expectation-maximisation in which the network's scores are the prior. Each round fits an
affine map of the test onto its expected partners and predicts what it leaves from the
neighbours alone, so that no match confirms itself; the residuals are added to the scores. It
recovers what a network that scores every pair by itself gets wrong locally: neighbours that
are exchanged.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch

from trackbench.plugins.fdnc.normalise import Masks, log_posterior

if TYPE_CHECKING:
    from torch import Tensor

    from trackbench.plugins.fdnc.network import Scores

__all__ = ["Refinement", "refined"]

FEWEST_PAIRS = 6.0
AFFINE_RIDGE_UM2 = 4.0
SPREAD_UM = 1.0
"""Views of one worm leave residuals near this; where they are larger, as between animals, the
confident matches are the better half and the others err by far more: hence the cube."""

NEIGHBOUR_PRIOR = 0.5
"""Weight of "no displacement" against the neighbours' in units of one sure neighbour."""


@dataclass(frozen=True)
class Refinement:
    """Settings of the refinement.

    Parameters
    ----------
    rounds : int
        0 leaves the scores as they are.
    strength : float
        Factor of the residuals' log-likelihood; below 1, as the network has used positions too.
    least_um : float
        Smallest residual (standard deviation an axis) that is believed.
    reach_um : float
        Distance over which neighbours move together.
    """

    rounds: int
    strength: float
    least_um: float
    reach_um: float


def refined(
    scores: Scores,
    tests_um: Tensor,
    template_um: Tensor,
    masks: Masks,
    settings: Refinement,
) -> Scores:
    """Add the residuals' log-likelihood to the scores.

    Parameters
    ----------
    scores : Scores
        Of tests (b, m) and templates (b, n).
    tests_um, template_um : Tensor, (b, m, 3) and (b, n, 3)
        In the anatomical frame.
    masks : Masks
    settings : Refinement
    """
    near = torch.cdist(tests_um, tests_um).div(settings.reach_um).square().mul(-0.5).exp()
    near = near * (1 - torch.eye(near.shape[-1], device=near.device))
    improved = scores
    for _ in range(settings.rounds):
        p = log_posterior(improved, masks).exp()[..., :-1] * masks.rows.unsqueeze(2)
        share = p.sum(-1, keepdim=True)
        target = (p @ template_um) / share.clamp_min(1e-6)
        weight = p.square().sum(-1, keepdim=True)
        predicted = _predicted(tests_um, target, weight, near)
        residual = (predicted - target).square().sum(-1, keepdim=True)
        spread = ((residual * weight).sum(1) / (3 * weight.sum(1).clamp_min(1e-6))).sqrt()
        squared = torch.cdist(predicted, template_um).square()
        width = (spread**3 / SPREAD_UM**2).clamp_min(settings.least_um)
        gain = 1.5 - 0.5 * squared / width.square().unsqueeze(2)
        trusted = (weight.sum(1) > FEWEST_PAIRS).unsqueeze(2)
        improved = replace(scores, pairs=scores.pairs + settings.strength * trusted * gain)
    return improved


def _predicted(points: Tensor, target: Tensor, weight: Tensor, near: Tensor) -> Tensor:
    """Where the affine map and the neighbours put every test neuron, (b, m, 3)."""
    total = weight.sum(1, keepdim=True).clamp_min(1e-6)
    middle, goal = (points * weight).sum(1, True) / total, (target * weight).sum(1, True) / total
    centred = points - middle
    weighted = centred * weight
    pull = AFFINE_RIDGE_UM2 * total * torch.eye(3, device=points.device)
    moment = weighted.mT @ centred + pull
    matrix = torch.linalg.solve(moment, weighted.mT @ (target - goal) + pull)
    mapped = centred @ matrix + goal
    left = (target - mapped) * weight
    return mapped + (near @ left) / (near @ weight + NEIGHBOUR_PRIOR)
