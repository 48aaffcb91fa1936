"""The nuclei of a simulated head: sizes, places that don't interpenetrate, brightness."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from trackbench.datasets.semisynthetic.image_config import ImageConfig

__all__ = ["Nuclei", "ball_points", "draw_nuclei", "pushed_apart"]

ROUNDS: Final = 200
LATTICE: Final = 1.2207440846057596 ** -np.arange(1.0, 4.0)


@dataclass(frozen=True, eq=False)
class Nuclei:
    """What doesn't change through a recording; one entry a nucleus.

    Parameters
    ----------
    radius_um : (n,) array
    red, green : (n,) array
        Brightness of the static label, and of the indicator at rest, in counts.
    """

    radius_um: NDArray[np.float64]
    red: NDArray[np.float64]
    green: NDArray[np.float64]


def draw_nuclei(config: ImageConfig, neurons: int, rng: np.random.Generator) -> Nuclei:
    """Draw sizes and brightness, each log-normal."""

    def spread(sd: float) -> NDArray[np.float64]:
        factor: NDArray[np.float64] = np.exp(sd * rng.standard_normal(neurons))
        return factor

    radius = config.radius_um * spread(config.radius_spread)
    red = config.brightness * spread(config.brightness_spread)
    return Nuclei(radius, red, red * config.green * spread(config.green_spread))


def pushed_apart(
    points: NDArray[np.float64], radius_um: NDArray[np.float64], touch: float
) -> NDArray[np.float64]:
    """Move nuclei (n, 3) apart until none lies deeper in another than they may touch.

    Parameters
    ----------
    points : (n, 3) array
        µm.
    radius_um : (n,) array
    touch : float
        Least distance of two centres as a share of the sum of their radii.
    """
    least = touch * (radius_um[:, None] + radius_um[None])
    np.fill_diagonal(least, 0)
    moved = points.copy()
    for _ in range(ROUNDS):
        step = moved[:, None] - moved[None]
        distance = np.linalg.norm(step, axis=2)
        lack = np.maximum(least - distance, 0)
        if lack.max() < 0.01 * radius_um.min():
            break
        way = step / np.maximum(distance, 1e-9)[..., None]
        moved += 0.5 * (lack[..., None] * way).sum(axis=1)
    return moved


def ball_points(count: int) -> NDArray[np.float64]:
    """Spread points evenly through the unit ball, (count, 3).

    A low-discrepancy sequence in the cube (additive recurrence with powers of 1 / 1.2207...,
    the root of x^4 = x + 1) gives height, turn and volume.
    """
    place = np.mod(0.5 + np.outer(np.arange(1, count + 1), LATTICE), 1)
    height, turn = 2 * place[:, 0] - 1, 2 * np.pi * place[:, 1]
    ring = np.sqrt(1 - height**2)
    sphere = np.stack([height, ring * np.sin(turn), ring * np.cos(turn)], axis=1)
    centred = sphere * np.cbrt(place[:, 2])[:, None]
    ball: NDArray[np.float64] = centred - centred.mean(axis=0)
    return ball
