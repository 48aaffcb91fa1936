"""Which volumes vote on a test, and what they say."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import torch

from trackbench.plugins.nerve.registration import posterior, register

if TYPE_CHECKING:
    from trackbench.plugins.nerve.bending import Bendable
    from trackbench.plugins.nerve.settings import Settings

__all__ = ["ballots", "nearest"]

AS_IT_LIES: Final = torch.eye(3)[None]
"""The one start of a registration whose pose is known."""


def nearest(shapes: torch.Tensor, shape: torch.Tensor, count: int) -> torch.Tensor:
    """Find the volumes whose posture is nearest to one posture: no name is looked at.

    The distance is what the best rotation and shift leave (Umeyama 1991, equation 33).

    Parameters
    ----------
    shapes : (r, a, 3) tensor
        The anchor's neurons where each volume has them, µm.
    shape : (a, 3) tensor
        Where the test has them.
    count : int

    Returns
    -------
    (min(count, r),) tensor of int
        Nearest first.
    """
    one = shape - shape.mean(dim=0)
    all_ = shapes - shapes.mean(dim=1, keepdim=True)
    u, singular, vt = torch.linalg.svd(all_.transpose(1, 2) @ one)
    mirror = torch.sign(torch.linalg.det(u @ vt))
    overlap = singular[:, 0] + singular[:, 1] + singular[:, 2] * mirror
    left = all_.square().sum(dim=(1, 2)) - 2.0 * overlap
    return torch.argsort(left, stable=True)[:count]


@torch.no_grad()
def ballots(templates: Bendable, points: torch.Tensor, settings: Settings) -> torch.Tensor:
    """Register volumes onto one test that lies as they do.

    Parameters
    ----------
    templates : Bendable
        The v volumes that vote.
    points : (n, 3) tensor
        The test in the pose of the volumes, µm.
    settings : Settings

    Returns
    -------
    (v, n, m + 1) tensor
        Probability that a test neuron is a neuron of the volume, last column = none.
    """
    count = len(templates.points)
    tests = points.expand(count, -1, -1)
    fit = register(templates, tests, torch.ones(tests.shape[:2]), settings, AS_IT_LIES)
    return posterior(templates, fit, settings).exp()
