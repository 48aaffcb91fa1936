"""A recording: one simulated worm through time, identities kept."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field

from trackbench.core.types import PointCloud
from trackbench.datasets.semisynthetic.deform import bend, roll_about_x
from trackbench.datasets.semisynthetic.pose import rotation

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from trackbench.datasets.semisynthetic.shape import ShapeAtlas

__all__ = ["RecordingConfig", "moved", "record", "stationary_walks"]

LENGTH_UM = 120.0


class RecordingConfig(BaseModel):
    """How a worm moves and is detected; lengths in µm, angles in radians, times in volumes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    volumes: int = Field(default=200, ge=1)
    neurons: int = Field(default=120, ge=8)
    memory: float = Field(
        default=20.0, gt=0, description="time over which movements are correlated"
    )
    bend: float = Field(
        default=0.4, ge=0, description="standard deviation of the turn from head to tail"
    )
    wave: float = Field(default=0.25, ge=0, description="standard deviation of the S-shaped turn")
    roll: float = Field(
        default=0.15, ge=0, description="standard deviation of the roll about the axis"
    )
    stretch: float = Field(
        default=0.03, ge=0, description="standard deviation of the length's logarithm"
    )
    turn: float = Field(default=0.05, ge=0, description="turn in the plane from volume to volume")
    heading: float | None = Field(
        default=None,
        ge=0,
        description="standard deviation of the heading about +x; None: any, changed by `turn`",
    )
    noise_um: float = Field(default=0.4, ge=0, description="localisation noise in the plane")
    noise_optical: float = Field(default=2.0, ge=1, description="ratio of the noise along z to it")
    drop: float = Field(default=0.08, ge=0, le=1, description="probability that a neuron is missed")
    spurious: float = Field(
        default=0.03, ge=0, le=1, description="added points, share of the neurons"
    )


def record(shapes: ShapeAtlas, config: RecordingConfig, seed: int) -> tuple[PointCloud, ...]:
    """Record one worm.

    Every movement is a stationary random walk (Ornstein-Uhlenbeck process), so that volumes
    near in time look alike.

    Parameters
    ----------
    shapes : ShapeAtlas
    config : RecordingConfig
    seed : int

    Returns
    -------
    tuple of PointCloud
        One a volume, with names; "" for spurious points.
    """
    rng = np.random.default_rng(seed)
    head, names = shapes.draw_head(rng, config.neurons)
    return tuple(
        _detected(points, names, config, rng, f"recording-{seed}-{t}")
        for t, points in enumerate(moved(head, config, rng))
    )


def moved(
    head: NDArray[np.floating[Any]], config: RecordingConfig, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Move one head through time, without any error of detection.

    Parameters
    ----------
    head : (n, 3) array
        z, y, x in µm in the anatomical frame: the long axis is x.
    config : RecordingConfig
    rng : numpy.random.Generator

    Returns
    -------
    (volumes, n, 3) array of float32
        Positions in µm.
    """
    drawn = stationary_walks(rng, config.volumes, 4, config.memory)
    walks = torch.as_tensor(drawn, dtype=torch.float32).unsqueeze(-1)
    heading = torch.as_tensor(_heading(config, rng))
    points = torch.as_tensor(head, dtype=torch.float32).expand(config.volumes, -1, -1)
    stretch = torch.exp(config.stretch * walks[3]).unsqueeze(-1)
    points = points * torch.cat([stretch**-0.5, stretch**-0.5, stretch], dim=-1)
    phase = torch.full_like(walks[1], math.pi / 2)
    points = bend(points, config.bend * walks[0], config.wave * walks[1], phase, LENGTH_UM)
    side = float(rng.uniform(-math.pi, math.pi))
    points = roll_about_x(points, side + config.roll * walks[2])
    turned: NDArray[np.float32] = (points @ rotation(heading.float(), 1, 2)).numpy()
    return turned


def _heading(config: RecordingConfig, rng: np.random.Generator) -> NDArray[np.float64]:
    if config.heading is not None:
        kept: NDArray[np.float64] = stationary_walks(rng, config.volumes, 1, config.memory)[0]
        return config.heading * kept
    turns = config.turn * rng.standard_normal(config.volumes)
    free: NDArray[np.float64] = rng.uniform(-math.pi, math.pi) + np.cumsum(turns)
    return free


def stationary_walks(
    rng: np.random.Generator, volumes: int, count: int, memory: float
) -> NDArray[np.float64]:
    """Draw Ornstein-Uhlenbeck walks of unit variance, (count, volumes).

    Parameters
    ----------
    rng : numpy.random.Generator
    volumes, count : int
    memory : float
        Time over which a walk is correlated, in volumes.
    """
    keep = math.exp(-1 / memory)
    steps = rng.standard_normal((count, volumes))
    walks = np.empty_like(steps)
    walks[:, 0] = steps[:, 0]
    for t in range(1, volumes):
        walks[:, t] = keep * walks[:, t - 1] + math.sqrt(1 - keep**2) * steps[:, t]
    return walks


def _detected(
    points: NDArray[np.float32],
    names: tuple[str, ...],
    config: RecordingConfig,
    rng: np.random.Generator,
    volume: str,
) -> PointCloud:
    size = config.noise_um * np.array([config.noise_optical, 1.0, 1.0])
    noisy = points + size * rng.standard_normal(points.shape)
    seen = np.flatnonzero(rng.random(len(points)) >= config.drop)
    extra = rng.binomial(len(points), config.spurious)
    added = rng.uniform(points.min(axis=0), points.max(axis=0), (extra, 3))
    return PointCloud(
        np.concatenate([noisy[seen], added]),
        names=tuple(names[i] for i in seen) + ("",) * extra,
        id=volume,
        animal=volume.rsplit("-", 1)[0],
        mirrored=False,
    )
