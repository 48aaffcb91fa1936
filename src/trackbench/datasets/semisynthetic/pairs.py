"""Pairs of simulated views as point clouds with names."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from trackbench.core.types import PointCloud
from trackbench.datasets.semisynthetic.yu2021 import simulate_yu2021

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from trackbench.datasets.semisynthetic.shape import ShapeAtlas

__all__ = ["simulated_pair"]


def simulated_pair(shapes: ShapeAtlas, seed: int, neurons: int) -> tuple[PointCloud, PointCloud]:
    """Simulate two views of one head with the settings of the fDNC paper.

    Parameters
    ----------
    shapes : ShapeAtlas
    seed : int
    neurons : int
        How many of the head's.
    """
    points, names = shapes.draw_head(np.random.default_rng(seed), neurons)
    head = torch.as_tensor(points[None], dtype=torch.float32)
    generator = torch.Generator().manual_seed(seed)
    views = simulate_yu2021(head, torch.ones(head.shape[:2], dtype=torch.bool), generator, 2)
    animal = f"simulated-{seed}"
    template, test = (
        _cloud(views.zyx_um[v, 0].numpy(), views.neuron[v, 0].numpy(), names, animal, v)
        for v in (0, 1)
    )
    return template, test


def _cloud(
    zyx_um: NDArray[np.float32],
    neuron: NDArray[np.int64],
    names: tuple[str, ...],
    animal: str,
    view: int,
) -> PointCloud:
    there = neuron > -2
    labels = tuple(names[i] if i >= 0 else "" for i in neuron[there])
    # simulated views keep the anatomy's handedness
    return PointCloud(
        zyx_um[there], names=labels, id=f"{animal}-{view}", animal=animal, mirrored=False
    )
