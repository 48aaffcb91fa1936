"""What training minimises: symmetric cross-entropy of correspondence, absence included."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from trackbench.datasets.semisynthetic.gather import PADDED

if TYPE_CHECKING:
    from torch import Tensor

    from trackbench.plugins.fdnc.network import Scores

MASKED = -1e4


def correspondence_targets(test: Tensor, template: Tensor) -> tuple[Tensor, Tensor]:
    """Index of each neuron's partner.

    Parameters
    ----------
    test, template : Tensor of int64, (b, m) and (b, n)
        Neuron numbers; negative ones (spurious, padded) have no partner.

    Returns
    -------
    rows : Tensor, (b, m)
        Column of the partner, n where there is none.
    columns : Tensor, (b, n)
        Row of the partner, m where there is none.
    """
    same = (test.unsqueeze(2) == template.unsqueeze(1)) & (test >= 0).unsqueeze(2)
    return _index_or_end(same), _index_or_end(same.mT)


def _index_or_end(same: Tensor) -> Tensor:
    end = torch.full_like(same[..., 0], same.shape[-1], dtype=torch.int64)
    return torch.where(same.any(-1), same.to(torch.int8).argmax(-1), end)


def log_tables(scores: Scores, test_mask: Tensor, template_mask: Tensor) -> tuple[Tensor, Tensor]:
    """Log-probabilities by row, (b, m, n + 1), and by column, (b, n, m + 1)."""
    gone = torch.where(template_mask, 0.0, MASKED).unsqueeze(1)
    rows = torch.cat([scores.pairs + gone, scores.test_alone.unsqueeze(-1)], dim=-1)
    gone = torch.where(test_mask, 0.0, MASKED).unsqueeze(1)
    columns = torch.cat([scores.pairs.mT + gone, scores.template_alone.unsqueeze(-1)], dim=-1)
    return rows.log_softmax(-1), columns.log_softmax(-1)


def matching_loss(
    scores: Scores, test: Tensor, template: Tensor, smoothing: float = 0.0
) -> tuple[Tensor, Tensor]:
    """Mean negative log-likelihood over all neurons of both clouds, and the top-1 accuracy.

    Parameters
    ----------
    scores : Scores
    test, template : Tensor of int64, (b, m) and (b, n)
        Neuron numbers, -1 spurious, -2 padded.
    smoothing : float
        Weight of a uniform target, against overconfidence.

    Returns
    -------
    loss : Tensor, ()
    accuracy : Tensor, ()
        Share of the test neurons with a partner whose best column is that partner.
    """
    rows, columns = log_tables(scores, test > PADDED, template > PADDED)
    partner, partner_back = correspondence_targets(test, template)
    row_loss = _nll(rows, partner, test > PADDED, smoothing)
    column_loss = _nll(columns, partner_back, template > PADDED, smoothing)
    paired = partner < template.shape[1]
    hit = (rows.detach().argmax(-1) == partner) & paired
    return 0.5 * (row_loss + column_loss), hit.sum() / paired.sum().clamp_min(1)


def _nll(table: Tensor, target: Tensor, mask: Tensor, smoothing: float) -> Tensor:
    chosen = table.gather(-1, target.unsqueeze(-1)).squeeze(-1)
    if smoothing:
        chosen = (1 - smoothing) * chosen + smoothing * table.clamp_min(-20).mean(-1)
    return -(chosen * mask).sum() / mask.sum().clamp_min(1)
