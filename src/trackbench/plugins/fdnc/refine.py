"""Refinement: the template is bent onto the test, and the residuals join the network's scores.

Expectation and maximisation in turn, as in coherent point drift (Myronenko and Song 2010), but
started from the network's correspondence instead of a search: a few rounds are enough. Views
of one animal are nearly the same worm, bent; where the bent template passes close to the test
and agrees with the network's own matches, position decides. Two animals differ neuron by
neuron, and the network knows more of that than a smooth map does; there the scores stay as
they are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import torch

from trackbench.plugins.fdnc.network import Scores
from trackbench.plugins.fdnc.normalise import normalised, shifted

if TYPE_CHECKING:
    from torch import Tensor

    from trackbench.plugins.fdnc.normalise import Normalised

__all__ = ["Refined", "Refinement", "refined", "smooth_basis"]

SCALES_UM: Final = ((30.0, 5.0), (15.0, 1.5))
"""Distance over which neurons move together, and the standard deviation of that movement."""

MODES: Final = 24
LINEAR: Final = 0.3
SHIFT_UM: Final = 10.0
"""Prior standard deviations of a linear map's coefficients and of a shift."""

GAIN, FINAL_GAIN = 3.0, 4.5
"""Log-likelihood of a residual of 0 against that of a neuron anywhere, while the template is
being bent and at the end."""

DISAGREEMENT_UM: Final = 1.0
"""What a residual grows by if the bent template agrees with none of the network's matches."""

GATE_UM: Final = 0.03
LEAST_UM: Final = 0.7
SHARPER: Final = 1.2
"""The last width is the residual times a factor, between LEAST_UM and the configured width."""


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
        Misfit above which the two clouds count as two animals: the residual an axis, plus
        DISAGREEMENT_UM times the share of the network's matches that the bend disagrees with.
    prior : float
        Factor of the network's scores where the bent template fits.
    """

    rounds: int
    start_um: float
    end_um: float
    limit_um: float
    prior: float


@dataclass(frozen=True, eq=False)
class Refined:
    """What the refinement gives.

    Parameters
    ----------
    scores : Scores
        Of tests (b, m) and one template (n).
    residual_um : Tensor, (b,)
        Root mean square distance an axis between the tests and the bent template.
    """

    scores: Scores
    residual_um: Tensor


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
    mask: Tensor,
    settings: Refinement,
) -> Refined:
    """Join the scores and the residuals to the bent template.

    Parameters
    ----------
    scores : Scores
        Of tests (b, m) and one template (n).
    tests_um, template_um : Tensor, (b, m, 3) and (n, 3)
        In the anatomical frame.
    basis : Tensor, (n, k)
        From `smooth_basis`.
    mask : Tensor of bool, (b, m)
        False where a test is padded.
    settings : Refinement
    """
    if not settings.rounds:
        return Refined(scores, torch.full_like(tests_um[:, 0, 0], torch.inf))
    own = shifted(scores)
    first = found = normalised(own, mask)
    bent = template_um
    for turn in range(1, settings.rounds + 1):
        width = _width(settings, turn)
        bent = _bend(found, tests_um, template_um, basis, width)
        trust = 1 - (1 - settings.prior) * turn / settings.rounds
        each = torch.ones_like(own.pairs[:, 0, 0])
        mixture = _Mixture(trust * each, GAIN * each, width * each)
        found = normalised(mixture.joined(own, tests_um, bent), mask)
    residual = _residual(found, tests_um, bent)
    misfit = residual + DISAGREEMENT_UM * _disagreement(first, found, mask)
    fits = torch.sigmoid((settings.limit_um - misfit) / GATE_UM)
    widths = (SHARPER * residual).clamp(LEAST_UM, settings.end_um)
    share = 1 - (1 - settings.prior) * fits
    mixture = _Mixture(share, FINAL_GAIN * fits, widths / fits.sqrt())
    return Refined(mixture.joined(own, tests_um, bent), residual)


def _width(settings: Refinement, turn: int) -> float:
    """Fall geometrically from the first width to the last."""
    progress = (turn - 1) / max(1, settings.rounds - 1)
    return float(settings.start_um * (settings.end_um / settings.start_um) ** progress)


@dataclass(frozen=True, eq=False)
class _Mixture:
    """Share of the network's scores, plus gain - d^2 / (2 width^2) for a residual d; all (b,)."""

    share: Tensor
    gain: Tensor
    widths: Tensor

    def joined(self, scores: Scores, tests_um: Tensor, bent: Tensor) -> Scores:
        """Join; the squared distances are a product of five columns, added in one pass."""
        share = self.share.unsqueeze(1)
        scale = (0.5 / self.widths.square())[:, None, None]
        ours = self.gain[:, None, None] - scale * tests_um.square().sum(2, keepdim=True)
        theirs = -scale * bent.square().sum(2, keepdim=True)
        left = torch.cat([2 * scale * tests_um, ours, torch.ones_like(ours)], dim=2)
        right = torch.cat([bent, torch.ones_like(theirs), theirs], dim=2)
        return Scores(
            torch.baddbmm(share.unsqueeze(2) * scores.pairs, left, right.mT),
            share * scores.test_alone,
            share * scores.template_alone,
        )


def _partners(found: Normalised, tests_um: Tensor) -> tuple[Tensor, Tensor]:
    """Probability of each template neuron to have a partner (b, n), times its mean place."""
    points = torch.cat([tests_um, torch.ones_like(tests_um[..., :1])], dim=2)
    # a wide product of few rows is several times faster than a narrow one of many
    sums = ((found.rows.unsqueeze(2) * points).mT @ found.exponential).mT
    sums = found.columns.unsqueeze(2) * sums
    return sums[..., 3], sums[..., :3]


def _bend(
    found: Normalised, tests_um: Tensor, template_um: Tensor, basis: Tensor, width: float
) -> Tensor:
    """Move the template (n, 3) onto its expected partners, (b, n, 3)."""
    mass, place = _partners(found, tests_um)
    weighted = basis.T * (mass / width**2).unsqueeze(1)
    pull = basis.T @ ((place - mass.unsqueeze(2) * template_um) / width**2)
    identity = torch.eye(basis.shape[1], device=basis.device)
    factor, _ = torch.linalg.cholesky_ex(weighted @ basis + identity)
    result: Tensor = template_um + basis @ torch.cholesky_solve(pull, factor)
    return result


def _residual(found: Normalised, tests_um: Tensor, bent: Tensor) -> Tensor:
    """Root mean square distance an axis of the expected pairs, in µm, (b,)."""
    mass, place = _partners(found, tests_um)
    ours = found.pairs().sum(2)
    squares = (ours * tests_um.square().sum(2)).sum(1) + (mass * bent.square().sum(2)).sum(1)
    distances = squares - 2 * (place * bent).sum((1, 2))
    return (distances / (3 * mass.sum(1).clamp_min(1e-6))).clamp_min(0).sqrt()


def _disagreement(first: Normalised, found: Normalised, mask: Tensor) -> Tensor:
    """Share of the test neurons whose best partner isn't what it was at first, (b,)."""
    best = [(w.exponential * w.columns.unsqueeze(1)).argmax(2) for w in (first, found)]
    return ((best[0] != best[1]) & mask).sum(1) / mask.sum(1)
