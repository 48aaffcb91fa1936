"""Refinement: the template is bent onto the test, and the residuals join the network's scores.

Expectation and maximisation in turn, as in coherent point drift (Myronenko and Song 2010), but
started from the network's correspondence instead of a search: a few rounds are enough. Views
of one animal are nearly the same worm, bent; where the bent template passes close to the
network's own matches, position decides. Two animals differ neuron by neuron, and the network
knows more of that than a smooth map does; there the scores stay as they are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import torch

from trackbench.plugins.fdnc.network import Scores
from trackbench.plugins.fdnc.normalise import Masks, log_posterior

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Refinement", "refined", "smooth_basis"]

SCALES_UM: Final = ((30.0, 5.0), (15.0, 1.5))
"""Distance over which neurons move together, and the standard deviation of that movement."""

MODES: Final = 32
LINEAR: Final = 0.3
SHIFT_UM: Final = 10.0
"""Prior standard deviations of a linear map's coefficients and of a shift."""

GATE_UM: Final = 0.08
MEDIAN_DISTANCE: Final = 1.538
SHARPER: Final = 1.3
LEAST_UM: Final = 0.7
"""The last width is the residual times a factor, between this and the configured width."""


@dataclass(frozen=True)
class Refinement:
    """Settings of the refinement; lengths in µm.

    Parameters
    ----------
    rounds : int
        0 leaves the scores as they are.
    start_um, end_um : float
        Width of the correspondence in the first round and in the last.
    limit_um : float
        Residual of the network's matches above which the two clouds count as two animals.
    prior : float
        Factor of the network's scores where the bent template fits.
    """

    rounds: int
    start_um: float
    end_um: float
    limit_um: float
    prior: float


def smooth_basis(template_um: Tensor) -> Tensor:
    """Give basis functions of smooth movements at the neurons (n, 3): (n, k).

    Their coefficients have independent standard normal priors. Eigenvectors of a sum of
    Gaussian kernels, then a linear map and a shift.
    """
    squared = torch.cdist(template_um, template_um).square().double()
    kernel = sum(size**2 * torch.exp(-0.5 * squared / reach**2) for reach, size in SCALES_UM)
    values, vectors = torch.linalg.eigh(kernel)
    modes = vectors[:, -MODES:] * values[-MODES:].clamp_min(0).sqrt()
    shift = torch.full_like(template_um[:, :1], SHIFT_UM)
    return torch.cat([modes.to(template_um.dtype), LINEAR * template_um, shift], dim=1)


def refined(
    scores: Scores,
    tests_um: Tensor,
    template_um: Tensor,
    *,
    basis: Tensor,
    masks: Masks,
    settings: Refinement,
) -> Scores:
    """Join the scores and the residuals to the bent template.

    Parameters
    ----------
    scores : Scores
        Of tests (b, m) and one template (n).
    tests_um, template_um : Tensor, (b, m, 3) and (n, 3)
        In the anatomical frame.
    basis : Tensor, (n, k)
        From `smooth_basis`.
    masks : Masks
    settings : Refinement
    """
    if not settings.rounds:
        return scores
    first = probabilities = _pair_probabilities(scores, masks)
    squared, error = torch.zeros_like(first), torch.zeros_like(first[:, 0, 0])
    for turn in range(1, settings.rounds + 1):
        width = _width(settings, turn)
        bent = _bend(probabilities, tests_um, template_um, basis, width)
        squared = torch.cdist(tests_um, bent).square()
        error = _error(first, squared)
        if turn < settings.rounds:
            share = torch.full_like(error, 1 - (1 - settings.prior) * turn / settings.rounds)
            widths = torch.full_like(error, width)
            joined = _joined(scores, squared, widths, share, torch.ones_like(share))
            probabilities = _pair_probabilities(joined, masks)
    fits = torch.sigmoid((settings.limit_um - error) / GATE_UM)
    widths = (SHARPER * error).clamp(LEAST_UM, settings.end_um)
    return _joined(scores, squared, widths, 1 - (1 - settings.prior) * fits, fits)


def _error(first: Tensor, squared: Tensor) -> Tensor:
    """Residual an axis, in µm, of the network's own best matches, by their median; (b,).

    The median distance of a normal distribution in three dimensions is 1.538 times the standard
    deviation of an axis. Padded rows have no probability and are left out.
    """
    sure, partner = first.max(-1, keepdim=True)
    distance = torch.where(sure > 0, squared.gather(2, partner), torch.nan).sqrt()
    return distance.squeeze(2).nanmedian(1).values / MEDIAN_DISTANCE


def _width(settings: Refinement, turn: int) -> float:
    """Fall geometrically from the first width to the last."""
    progress = (turn - 1) / max(1, settings.rounds - 1)
    return float(settings.start_um * (settings.end_um / settings.start_um) ** progress)


def _pair_probabilities(scores: Scores, masks: Masks) -> Tensor:
    return log_posterior(scores, masks).exp()[..., :-1] * masks.rows.unsqueeze(2)


def _bend(
    probabilities: Tensor, tests_um: Tensor, template_um: Tensor, basis: Tensor, width: float
) -> Tensor:
    """Move the template (n, 3) onto its expected partners, (b, n, 3)."""
    mass = probabilities.sum(1)
    goal = (probabilities.mT @ tests_um) / mass.clamp_min(1e-6).unsqueeze(2)
    weighted = basis.T * (mass / width**2).unsqueeze(1)
    identity = torch.eye(basis.shape[1], device=basis.device)
    weights = torch.linalg.solve(weighted @ basis + identity, weighted @ (goal - template_um))
    result: Tensor = template_um + basis @ weights
    return result


def _joined(scores: Scores, squared: Tensor, widths: Tensor, share: Tensor, fits: Tensor) -> Scores:
    """Share of the network's scores, plus the log-likelihood of the residuals where they fit."""
    gain = 1.5 - 0.5 * squared / widths.square()[:, None, None]
    return Scores(
        share[:, None, None] * scores.pairs + fits[:, None, None] * gain,
        share[:, None] * scores.test_alone,
        share[:, None] * scores.template_alone,
    )
