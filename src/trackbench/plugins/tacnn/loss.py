"""Cross-entropy over the classes that are present, each with the same weight."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import torch
from torch.nn import functional

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["choose_voxels", "selective_loss"]

BACKGROUND_CLASSES: Final = 3.0
"""The background weighs as much as three neurons."""

FEWEST_VOXELS: Final = 20
"""A class with fewer voxels weighs as if each of its voxels were one of twenty."""

BACKGROUND_VOXELS: Final = 4096


def choose_voxels(labels: Tensor, image: Tensor, generator: torch.Generator) -> Tensor:
    """Choose the voxels that a step learns from: all labelled ones and a sample of background.

    Half of the background sample is from the brighter half of the background, where the
    network could take something for a neuron.

    Parameters
    ----------
    labels : (z, y, x) Tensor of int
    image : (c, z, y, x) Tensor
    generator : torch.Generator

    Returns
    -------
    Tensor of int64
        Flat indices.
    """
    flat = labels.reshape(-1)
    neurons = torch.nonzero(flat).squeeze(1)
    background = torch.nonzero(flat == 0).squeeze(1)
    brightness = image[0].reshape(-1)[background]
    bright = background[brightness > brightness.mean()]
    chosen = [
        pool[
            torch.randint(
                len(pool), (BACKGROUND_VOXELS // 2,), generator=generator, device=pool.device
            )
        ]
        for pool in (background, bright)
        if len(pool)
    ]
    return torch.cat([neurons, *chosen])


def selective_loss(scores: Tensor, classes: Tensor) -> Tensor:
    """Average cross-entropy per present class, then over classes.

    Absent classes take no part in the softmax: a neuron that isn't annotated in this frame is
    neither rewarded nor punished (Park et al. 2023). The balance over classes is ours: without
    it small neurons are lost to the background.

    Parameters
    ----------
    scores : (n, classes) Tensor
    classes : (n,) Tensor of int64
        0 = background.
    """
    counts = torch.bincount(classes, minlength=scores.shape[1])
    absent = counts == 0
    each = functional.cross_entropy(
        scores.float().masked_fill(absent, -torch.inf), classes, reduction="none"
    )
    weights = 1.0 / counts.clamp(min=FEWEST_VOXELS)
    weights[0] = BACKGROUND_CLASSES / counts[0].clamp(min=FEWEST_VOXELS)
    share = weights[classes]
    return (share * each).sum() / share.sum()
