"""Refinement: a smooth map fitted on confident matches, whose residuals are added to the scores.

An expectation-maximisation in which the network's scores are the prior. It recovers what a
network that scores every pair by itself gets wrong locally: neighbours that are exchanged.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from trackbench.plugins.fdnc.normalise import Masks, sinkhorn

if TYPE_CHECKING:
    from trackbench.plugins.fdnc.network import Scores

LENGTH_UM = 40.0
FEWEST_PAIRS = 6.0


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
    stiffness : float
        Ridge on the cubic map's coefficients, growing with the degree.
    """

    rounds: int
    strength: float
    least_um: float
    stiffness: float


def refined(
    scores: Scores,
    tests_um: Tensor,
    template_um: Tensor,
    masks: Masks,
    *,
    settings: Refinement,
    rounds: int,
) -> Scores:
    """Add the fit's residuals to the scores.

    Parameters
    ----------
    scores : Scores
        Of tests (b, m) and templates (b, n).
    tests_um, template_um : Tensor, (b, m, 3) and (b, n, 3)
    masks : Masks
    settings : Refinement
    rounds : int
        Of Sinkhorn normalisation inside.
    """
    basis, degree = _monomials(tests_um / LENGTH_UM)
    ridge = settings.stiffness * degree.square()
    improved = scores
    for _ in range(settings.rounds):
        p = sinkhorn(improved, masks, rounds).exp()[..., :-1]
        share = p.sum(-1)
        target = (p @ template_um) / share.clamp_min(1e-6).unsqueeze(-1)
        weight = p.square().sum(-1)
        fitted, spread = _fit(basis, target, weight, ridge, settings.least_um)
        squared = torch.cdist(fitted, template_um).square()
        gain = 1.5 - 0.5 * squared / spread.square()[:, None, None]
        trusted = (weight.sum(-1) > FEWEST_PAIRS).float()[:, None, None]
        improved = replace(scores, pairs=scores.pairs + settings.strength * trusted * gain)
    return improved


def _fit(
    basis: Tensor, target: Tensor, weight: Tensor, ridge: Tensor, least_um: float
) -> tuple[Tensor, Tensor]:
    """Weighted ridge regression of `target` (b, m, 3); its values and residual spread (b,)."""
    weighted = basis * weight.unsqueeze(-1)
    moment = weighted.mT @ basis + torch.diag(ridge + 1e-4)
    fitted = basis @ torch.linalg.solve(moment, weighted.mT @ target)
    residual = (fitted - target).square().sum(-1)
    mean = (residual * weight).sum(-1) / (3.0 * weight.sum(-1).clamp_min(1e-6))
    return fitted, mean.sqrt().clamp_min(least_um)


def _monomials(points: Tensor) -> tuple[Tensor, Tensor]:
    """All 20 monomials up to degree 3 of points (b, m, 3), (b, m, 20), and their degrees (20,)."""
    columns, degrees = [torch.ones_like(points[..., 0])], [0]
    previous = [(columns[0], 0)]
    for degree in (1, 2, 3):
        previous = [
            (column * points[..., axis], axis)
            for column, first in previous
            for axis in range(first, 3)
        ]
        columns += [column for column, _ in previous]
        degrees += [degree] * len(previous)
    degree_of = torch.tensor(degrees, dtype=points.dtype, device=points.device)
    return torch.stack(columns, dim=-1), degree_of
