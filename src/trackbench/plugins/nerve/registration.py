"""Registers templates onto tests: Gaussians on the template's neurons, bent until they fit.

The idea of Nguyen et al. 2017 (PLoS Comput. Biol. 13(5): e1005517): neurons are Gaussians, the
template bends as a thin plate, wide Gaussians first, narrow ones last. What differs: the fit is
expectation-maximisation with an outlier class (Myronenko and Song 2010, equations 4 to 7)
instead of quasi-Newton steps on the overlap, the plate has a few smooth modes instead of a grid
of 125 control points, and all pairs and starting poses are fitted at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import torch

from trackbench.plugins.nerve.frames import poses

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from trackbench.plugins.nerve.bending import Bendable
    from trackbench.plugins.nerve.settings import Settings

__all__ = ["Fit", "posterior", "register"]

RIDGE = 1e-3
"""Keeps the normal equations of very small clouds solvable."""


@dataclass(frozen=True, eq=False)
class Fit:
    """Templates bent onto tests.

    Parameters
    ----------
    moved : (b, m, 3) tensor
        Template neurons where the test has them, in the chosen pose of the test, µm.
    tests : (b, n, 3) tensor
        Test neurons in that pose.
    """

    moved: torch.Tensor
    tests: torch.Tensor


@torch.no_grad()
def register(
    templates: Bendable,
    tests: torch.Tensor,
    real: torch.Tensor,
    settings: Settings,
    starts: torch.Tensor | None = None,
) -> Fit:
    """Bend templates onto tests.

    Every starting pose is followed with wide Gaussians; the likeliest ones go on to narrow
    ones, and the likeliest of these is the answer. The mirror image is never among the starts.

    Parameters
    ----------
    templates : Bendable
        One for each test, or a single one for all.
    tests : (b, n, 3) tensor
        In their body frames, padded.
    real : (b, n) tensor
        1 for a neuron, 0 for padding.
    settings : Settings
    starts : (s, 3, 3) tensor, optional
        Proper rotations to start from; by default those of the settings.
    """
    starts = poses(settings.rolls) if starts is None else starts
    batch, count = len(tests), len(starts)
    turned = torch.einsum("sij,bnj->bsni", starts, tests).flatten(0, 1)
    moved = templates.points.expand(batch, -1, -1).repeat_interleave(count, 0)
    stages = zip(pairwise(settings.widths_um), settings.steps, (settings.keep, 1), strict=True)
    for (wide, narrow), steps, keep in stages:
        many, all_real = _repeated(templates, batch, count), real.repeat_interleave(count, 0)
        widths = np.geomspace(wide, narrow, steps)
        moved, fits = _anneal(many, turned, all_real, moved, widths=widths, settings=settings)
        kept = fits.view(batch, count).topk(min(keep, count), dim=1).indices
        index = (kept + torch.arange(batch)[:, None] * count).flatten()
        moved, turned, count = moved[index], turned[index], kept.shape[1]
    return Fit(moved, turned)


def _repeated(templates: Bendable, batch: int, count: int) -> Bendable:
    """Give a template for each start of each test; a single one is shared, not copied."""
    if len(templates.points) == 1:
        return templates
    return templates.take(torch.arange(batch).repeat_interleave(count))


def _anneal(
    templates: Bendable,
    tests: torch.Tensor,
    real: torch.Tensor,
    moved: torch.Tensor,
    *,
    widths: NDArray[np.float64],
    settings: Settings,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Take one step of expectation-maximisation at each width; also the log-likelihood, (b,)."""
    points, columns = templates.points, templates.columns
    likelihood = torch.zeros(len(tests))
    for width in widths.tolist():
        overlap = _overlap(tests, moved, width**2) * templates.real[:, None]
        total = overlap.sum(dim=2) + _outlier_density(templates, width**2, settings)
        likelihood = (torch.log(total) * real).sum(dim=1)
        share = (real / total)[..., None]
        weight = overlap.transpose(1, 2) @ share
        pull = overlap.transpose(1, 2) @ (tests * share) - weight * points
        energy = templates.energy * (settings.stiffness * width**2) + RIDGE
        normal = columns.transpose(1, 2) @ (weight * columns) + torch.diag_embed(energy)
        moved = points + columns @ torch.linalg.solve(normal, columns.transpose(1, 2) @ pull)
    return moved, likelihood


@torch.no_grad()
def posterior(templates: Bendable, fit: Fit, settings: Settings) -> torch.Tensor:
    """Log-probability that a test neuron is a template neuron, (b, n, m + 1); last = none."""
    squared = _squared(fit.tests, fit.moved)
    variance = settings.width_um**2
    apart = (squared > settings.gate_um**2) | (templates.real[:, None] == 0)
    score = (-0.5 * squared / variance).masked_fill(apart, -torch.inf)
    outlier = torch.log(_outlier_density(templates, variance, settings)).expand(score.shape[:2])
    return torch.log_softmax(torch.cat([score, outlier[..., None]], dim=2), dim=2)


def _overlap(tests: torch.Tensor, moved: torch.Tensor, variance: float) -> torch.Tensor:
    return torch.exp(_squared(tests, moved) * (-0.5 / variance))


def _squared(tests: torch.Tensor, moved: torch.Tensor) -> torch.Tensor:
    lengths = tests.square().sum(dim=2)[:, :, None] + moved.square().sum(dim=2)[:, None]
    return torch.baddbmm(lengths, tests, moved.transpose(1, 2), alpha=-2.0).clamp_(min=0.0)


def _outlier_density(templates: Bendable, variance: float, settings: Settings) -> torch.Tensor:
    """Density of the outlier class in units of one Gaussian's peak, (b, 1)."""
    size = templates.real.sum(dim=1, keepdim=True).clamp(min=1.0)
    odds = settings.outliers / (1.0 - settings.outliers)
    peak = float((2.0 * np.pi * variance) ** 1.5)
    return size * (odds * peak / settings.volume_um3)
