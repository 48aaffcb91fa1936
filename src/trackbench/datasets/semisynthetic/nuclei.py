"""The nuclei of a simulated head: sizes, places that don't interpenetrate, brightness."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from trackbench.datasets.semisynthetic.image_config import ImageConfig

__all__ = ["Nuclei", "ball_sources", "draw_nuclei", "pushed_apart"]

ROUNDS: Final = 200


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


def ball_sources() -> tuple[NDArray[np.float64], float]:
    """Give points (k, 3) of light that stand for a unit ball, and the width of each.

    A lattice of 4 x 4 x 4 cells without its corners; each point stands for its cell, whose
    variance the width (a standard deviation) makes up for. Scaled so that the variance of the
    whole is a ball's, 1/5 along each axis.
    """
    step = 0.5
    axis = step * (np.arange(4) - 1.5)
    lattice = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), axis=-1).reshape(-1, 3)
    inner = lattice[np.linalg.norm(lattice, axis=1) < 1]
    scale = np.sqrt(0.2 / (inner.var(axis=0).mean() + step**2 / 12))
    return inner * scale, float(scale * step / np.sqrt(12))
