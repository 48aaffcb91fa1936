"""From point clouds to log-probabilities: pose, encoding, scores, Sinkhorn normalisation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from trackbench.plugins.fdnc.network import EncodedTemplate, MatchingNetwork, Scores
from trackbench.plugins.fdnc.posenet import PoseNet, best_poses, principal_frame

MASKED = -1e4


@dataclass(frozen=True, eq=False)
class Clouds:
    """A padded batch of point clouds.

    Parameters
    ----------
    zyx_um : Tensor, (b, n, 3)
        Centred at the median; zero where padded.
    mask : Tensor of bool, (b, n)
    """

    zyx_um: Tensor
    mask: Tensor


def padded(clouds: Sequence[NDArray[np.float32]], device: torch.device) -> Clouds:
    """Centre clouds (n_i, 3) at their median and pad them to a common size."""
    width = max(1, *(len(cloud) for cloud in clouds))
    points = np.zeros((len(clouds), width, 3), dtype=np.float32)
    mask = np.zeros((len(clouds), width), dtype=np.bool_)
    for i, cloud in enumerate(clouds):
        points[i, : len(cloud)] = cloud - np.median(cloud, axis=0) if len(cloud) else 0.0
        mask[i, : len(cloud)] = True
    return Clouds(torch.as_tensor(points, device=device), torch.as_tensor(mask, device=device))


def anatomical(poses: PoseNet, clouds: Clouds) -> Clouds:
    """Turn every cloud into the anatomical frame."""
    axes = principal_frame(clouds.zyx_um, clouds.mask)
    turned = clouds.zyx_um @ axes.mT
    matrices, _ = best_poses(poses(turned, clouds.mask))
    return Clouds(turned @ matrices[:, 0], clouds.mask)


def scores_of(network: MatchingNetwork, template: EncodedTemplate, tests: Clouds) -> Scores:
    """Score tests against their template with the last level of the network."""
    outputs = network.compare(template, tests.zyx_um, tests.mask)
    return network.score(len(outputs) - 1, template, outputs[-1])


def sinkhorn(scores: Scores, rows: Tensor, columns: Tensor, rounds: int) -> Tensor:
    """Log-probabilities (b, m, n + 1) that respect that a template neuron has one partner.

    Sinkhorn iterations in which every row and every column may keep a share for "no partner"
    (Sarlin et al. 2020, with one score a neuron instead of one for all).

    Parameters
    ----------
    scores : Scores
    rows, columns : Tensor of bool, (b, m) and (b, n)
        Which are points, not padding.
    rounds : int
        0 normalises the rows alone.
    """
    pairs = scores.pairs + torch.where(columns, 0.0, MASKED).unsqueeze(1)
    pairs = pairs + torch.where(rows, 0.0, MASKED).unsqueeze(2)
    by_row = torch.zeros_like(scores.test_alone)
    by_column = torch.zeros_like(scores.template_alone)
    for _ in range(rounds):
        table = torch.cat([pairs + by_column.unsqueeze(1), scores.test_alone.unsqueeze(2)], 2)
        by_row = -table.logsumexp(2)
        table = torch.cat([pairs + by_row.unsqueeze(2), scores.template_alone.unsqueeze(1)], 1)
        by_column = -table.logsumexp(1)
    table = torch.cat([pairs + by_column.unsqueeze(1), scores.test_alone.unsqueeze(2)], 2)
    return table.log_softmax(2)
