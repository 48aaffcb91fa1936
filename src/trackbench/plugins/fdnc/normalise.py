"""Scores to log-probabilities, by the agreement of both directions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import Tensor

    from trackbench.plugins.fdnc.network import Scores

__all__ = ["Masks", "log_posterior"]

MASKED = -1e4


@dataclass(frozen=True, eq=False)
class Masks:
    """Which rows (b, m) and columns (b, n) are points, not padding."""

    rows: Tensor
    columns: Tensor


def log_posterior(scores: Scores, masks: Masks) -> Tensor:
    """Log-probabilities (b, m, n + 1), rows normalised, last column "no partner".

    A pair gets the geometric mean of its probabilities by row and by column: each direction
    knows of competitors that the other doesn't.

    Parameters
    ----------
    scores : Scores
    masks : Masks
    """
    columns = torch.where(masks.columns, 0.0, MASKED).unsqueeze(1)
    rows = torch.where(masks.rows, 0.0, MASKED).unsqueeze(2)
    alone = scores.test_alone.unsqueeze(2)
    by_row = torch.cat([scores.pairs + columns, alone], dim=2).log_softmax(2)
    others = scores.template_alone.unsqueeze(1)
    by_column = torch.cat([scores.pairs + rows, others], dim=1).log_softmax(1)
    pairs = 0.5 * (by_row[..., :-1] + by_column[:, :-1]) + columns
    return torch.cat([pairs, by_row[..., -1:]], dim=2).log_softmax(2)
