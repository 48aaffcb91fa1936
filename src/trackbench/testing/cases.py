"""Named standard cases: small worms, each with one thing about it that breaks careless code."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from trackbench.core.seeds import generator
from trackbench.core.types import PointCloud

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["STANDARD_CASES", "StandardCase", "rotated", "toy_recording", "toy_worm"]

HEAD_UM: Final = np.array([14.0, 16.0, 90.0])
"""Extent of a toy head along z, y, x in µm."""


@dataclass(frozen=True)
class StandardCase:
    """A template with names, a test without, and the test's true names."""

    name: str
    template: PointCloud
    test: PointCloud
    truth: tuple[str, ...]


def toy_worm(n: int = 60, seed: int = 0) -> PointCloud:
    """Make a worm-like cloud with names and color: denser in front, thicker in the middle.

    Parameters
    ----------
    n : int
        Number of neurons.
    seed : int
    """
    rng = generator("toy worm", n, seed)
    along = rng.beta(1.4, 2.2, n)
    around = rng.uniform(0, 2 * np.pi, n)
    radius = np.sin(np.pi * np.clip(along + 0.15, 0, 1)) * rng.uniform(0.5, 1.0, n)
    relative = np.stack([np.cos(around) * radius, np.sin(around) * radius, along], axis=1)
    color = rng.gamma(2.0, 1.0, (n, 3))
    names = tuple(f"N{i:03d}" for i in range(n))
    return PointCloud(relative * HEAD_UM, color, names, f"toy-{seed}", f"toy-{seed}", False)


def toy_recording(n: int = 60, volumes: int = 3, seed: int = 0) -> tuple[PointCloud, ...]:
    """Make volumes of one toy worm: translation, a slight bend and 0.3 µm of noise."""
    worm = toy_worm(n, seed)
    return tuple(_moved(worm, seed, volume) for volume in range(volumes))


def _moved(worm: PointCloud, seed: int, volume: int) -> PointCloud:
    rng = generator("toy recording", seed, volume)
    points = worm.zyx_um.astype(np.float64)
    along = points[:, 2] / HEAD_UM[2]
    points[:, 1] += rng.normal() * 3.0 * along**2
    points += rng.normal(size=3) * 2.0 + rng.normal(size=points.shape) * 0.3
    name = f"{worm.id}-{volume}"
    return PointCloud(points, worm.color, worm.names, name, worm.animal, worm.mirrored)


def rotated(points: NDArray[np.float32], degrees: float) -> NDArray[np.float64]:
    """Turn points (n, 3) in z, y, x by an angle in the imaging plane, about their median."""
    angle = np.deg2rad(degrees)
    turn = np.array(
        [
            [1.0, 0.0, 0.0],
            [0.0, np.cos(angle), -np.sin(angle)],
            [0.0, np.sin(angle), np.cos(angle)],
        ]
    )
    centre = np.median(points, axis=0) if len(points) else np.zeros(3)
    turned: NDArray[np.float64] = (points - centre) @ turn.T + centre
    return turned


def _standard(
    name: str, template: PointCloud, test: PointCloud, keep: NDArray[np.intp]
) -> StandardCase:
    shown = test.take(keep)
    return StandardCase(name, template, shown.without_names(), shown.names or ())


def _standard_cases() -> dict[str, StandardCase]:
    template, moved, other = toy_recording(60, 3, seed=7)
    everything = np.arange(60)
    shuffled = generator("shuffle").permutation(60)
    nothing = everything[:0]
    line = PointCloud(
        np.stack([np.zeros(12), np.zeros(12), np.arange(12) * 4.0], axis=1),
        np.ones((12, 3)),
        tuple(f"L{i}" for i in range(12)),
        "line",
        "line",
    )
    twice = PointCloud(
        np.repeat(moved.zyx_um[:20], 2, axis=0),
        np.ones((40, 3)),
        tuple(f"N{i // 2:03d}" if i % 2 else "" for i in range(40)),
        "twice",
        "twice",
    )
    cases = [
        _standard("identical", template, template, everything),
        _standard("moved", template, moved, shuffled),
        _standard("dropped", template, other, shuffled[:40]),
        _standard("fewer_in_template", template.take(everything[:30]), moved, everything),
        _standard("one_point", template, moved, everything[:1]),
        _standard("one_to_one", template.take(everything[:1]), moved, everything[:1]),
        _standard("empty_test", template, moved, nothing),
        _standard("empty_template", template.take(nothing), moved, everything),
        _standard("both_empty", template.take(nothing), moved, nothing),
        _standard("collinear", line, line, np.arange(12)),
        _standard("coincident", template, twice, np.arange(40)),
    ]
    return {case.name: case for case in cases}


STANDARD_CASES: Final[dict[str, StandardCase]] = _standard_cases()
"""By name: identical, moved, dropped, fewer_in_template, one_point, one_to_one, empty_test,
empty_template, both_empty, collinear, coincident."""
