"""The simulator of the fDNC paper, with its settings (Yu et al. 2021, eLife 10:e66410).

Roll by up to 81 degrees either way and shear across the body, spurious and dropped points,
bending, any turn in the plane, stretch and shear in it, noise. Where the paper bends along
centrelines of recorded worms and moves every worm towards another volume by a stiff coherent
point drift, this draws a centreline and a smooth displacement.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from trackbench.datasets.semisynthetic.deform import Draw, bend, random_field, roll_about_x
from trackbench.datasets.semisynthetic.gather import Animals, gathered
from trackbench.datasets.semisynthetic.pose import rotation

if TYPE_CHECKING:
    from torch import Tensor

    from trackbench.datasets.semisynthetic.gather import SimulatedBatch

__all__ = ["Yu2021", "simulate_yu2021"]

PIXEL_UM = 0.42


@dataclass(frozen=True)
class Yu2021:
    """Settings; lengths in µm, angles in radians.

    The bending is set so that two views differ as much as two validation volumes of the moving
    worm (nguyen2017) do: median residuals of a rigid, an affine and a quadratic fit of
    corresponding neurons are about 4.3, 3.6 and 2.2 µm, interpolated between bend 0.25 and 0.3
    (recorded: 4.3, 3.7 and 2.2). The paper bends by recorded centrelines, which are not public.
    """

    roll: float = 0.45 * torch.pi
    shear: float = 0.1
    scale: float = 0.05
    drop: tuple[float, float] = (0.05, 0.25)
    most_added: int = 20
    box_um: tuple[float, float, float, float] = (-50 * PIXEL_UM, 250 * PIXEL_UM, -25.2, 25.2)
    apart_um: float = 5 * PIXEL_UM
    noise_um: float = PIXEL_UM
    bend: float = 0.28
    wave: float = 0.17
    length_um: float = 120.0
    displacement_um: float = 3.0
    displacement_length_um: tuple[float, float] = (20.0, 22.0)


def simulate_yu2021(
    zyx_um: Tensor,
    present: Tensor,
    generator: torch.Generator,
    views: int,
    settings: Yu2021 | None = None,
) -> SimulatedBatch:
    """Simulate views of heads.

    Parameters
    ----------
    zyx_um : Tensor, (b, n, 3)
        Anatomical frame; zero where padded.
    present : Tensor of bool, (b, n)
        False where padded.
    generator : torch.Generator
    views : int
        Of each head.
    settings : Yu2021, optional

    Returns
    -------
    SimulatedBatch
    """
    own = settings if settings is not None else Yu2021()
    rows = views * len(zyx_um)
    draw = Draw(generator, rows)
    points = zyx_um.repeat(views, 1, 1)
    there = present.repeat(views, 1)
    points = random_field(
        points, draw, draw.uniform(1, high=own.displacement_um), own.displacement_length_um
    )
    points = roll_about_x(points, draw.uniform(1, low=-own.roll, high=own.roll))
    points = _sheared(points, draw, own.shear, (0, 1))
    share = draw.uniform(1, low=own.drop[0], high=own.drop[1])
    added, seen = _spurious(points, there, share, draw, own)
    everything = torch.cat([points, added], dim=1)
    kept = torch.cat([there, seen], dim=1) & (draw.uniform(everything.shape[1]) >= share)
    turn = own.bend * draw.normal(1), own.wave * draw.normal(1)
    everything = bend(everything, *turn, draw.uniform(1, high=2 * torch.pi), own.length_um)
    turned = rotation(draw.uniform(low=-torch.pi, high=torch.pi), 1, 2)
    everything = everything @ turned
    everything = everything * draw.uniform(1, 3, low=1 - own.scale, high=1 + own.scale)
    everything = _sheared(everything, draw, own.shear, (1, 2))
    everything = everything + own.noise_um * draw.normal(*everything.shape[1:])
    mirrored = torch.zeros(len(zyx_um), dtype=torch.bool, device=zyx_um.device)
    names = torch.full(everything.shape[:2], -1, device=zyx_um.device)
    animals = Animals(everything, kept, names, None)
    return gathered(animals, zyx_um.shape[1], turned, mirrored, views)


def _sheared(points: Tensor, draw: Draw, most: float, axes: tuple[int, int]) -> Tensor:
    matrix = torch.eye(3, device=points.device).repeat(draw.batch, 1, 1)
    off = draw.uniform(2, low=-most, high=most)
    matrix[:, axes[0], axes[1]], matrix[:, axes[1], axes[0]] = off.unbind(1)
    return points @ matrix


def _spurious(
    points: Tensor, present: Tensor, share: Tensor, draw: Draw, own: Yu2021
) -> tuple[Tensor, Tensor]:
    """Points uniform in a box around the head; those near a neuron in the plane are discarded."""
    most = (present.sum(1, keepdim=True) * share).clamp(1, own.most_added).floor()
    count = (draw.uniform(1) * most).floor().sub(1).clamp_min(1)
    front = torch.where(present, points[..., 2], torch.inf).amin(1, keepdim=True)
    start, end, low, high = own.box_um
    x = front + draw.uniform(own.most_added, low=start, high=end)
    added = torch.cat([draw.uniform(own.most_added, 2, low=low, high=high), x.unsqueeze(-1)], -1)
    plane = torch.where(present.unsqueeze(-1), points, torch.inf)[..., 1:]
    near = (added[:, :, None, 1:] - plane[:, None]).square().sum(-1) < own.apart_um**2
    wanted = torch.arange(own.most_added, device=points.device) < count
    return added, wanted & ~near.any(-1)
