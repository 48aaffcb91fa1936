"""Scores to log-probabilities that respect that a template neuron has one partner at most."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from trackbench.plugins.fdnc.network import Scores

MASKED = -1e4


@dataclass(frozen=True, eq=False)
class Masks:
    """Which rows (b, m) and columns (b, n) are points, not padding."""

    rows: Tensor
    columns: Tensor


def sinkhorn(scores: Scores, masks: Masks, rounds: int) -> Tensor:
    """Log-probabilities (b, m, n + 1), rows normalised, last column "no partner".

    Sinkhorn iterations in which every row and every column may keep a share for "no partner"
    (after Sarlin et al. 2020, with one such score a neuron instead of one for all).

    Parameters
    ----------
    scores : Scores
    masks : Masks
    rounds : int
        0 normalises the rows alone.
    """
    pairs = scores.pairs + torch.where(masks.columns, 0.0, MASKED).unsqueeze(1)
    pairs = pairs + torch.where(masks.rows, 0.0, MASKED).unsqueeze(2)
    alone = scores.test_alone.unsqueeze(2)
    by_column = torch.zeros_like(scores.template_alone)
    if rounds:
        # in the exponential domain: the largest score of each row is the unit of that row
        unit = torch.maximum(pairs.amax(2, keepdim=True), alone)
        kernel, row_rest = torch.exp(pairs - unit), torch.exp(alone - unit).squeeze(2)
        column_rest = torch.exp(scores.template_alone)
        scale = torch.ones_like(column_rest)
        for _ in range(rounds):
            row = 1.0 / ((kernel @ scale.unsqueeze(2)).squeeze(2) + row_rest)
            column = (row.unsqueeze(1) @ kernel).squeeze(1)
            scale = 1.0 / (column + column_rest)
        by_column = scale.clamp_min(1e-30).log()
    table = torch.cat([pairs + by_column.unsqueeze(1), alone], dim=2)
    return table.log_softmax(2)
