"""Scores to probabilities, by the agreement of both directions."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import torch

if TYPE_CHECKING:
    from torch import Tensor

    from trackbench.plugins.fdnc.network import Scores

__all__ = ["Normalised", "log_posterior", "normalised", "shifted"]

LEAST_SCORE: Final = -80.0
"""Below the largest score: its exponential is a normal number of float32. Those that are not
take ten times as long, and a sum of them may be 0."""

LEAST_LOG: Final = -1e4


@dataclass(frozen=True, eq=False)
class Normalised:
    """Probabilities of pairs as a product that need not be formed.

    The probability of test neuron i and template neuron j is
    `rows[i] * exponential[i, j] * columns[j]`; 0 where the test is padded.

    Parameters
    ----------
    exponential : Tensor, (b, m, n)
        Of the pairs' scores.
    rows, columns : Tensor, (b, m) and (b, n)
    none : Tensor, (b, m)
        Probability of having no partner.
    """

    exponential: Tensor
    rows: Tensor
    columns: Tensor
    none: Tensor

    def pairs(self) -> Tensor:
        """Form the probabilities (b, m, n)."""
        return self.exponential * self.rows.unsqueeze(2) * self.columns.unsqueeze(1)


def shifted(scores: Scores) -> Scores:
    """Move all scores of a test by one number, so that the largest is 0: changes no probability."""
    parts = (scores.pairs.flatten(1), scores.test_alone, scores.template_alone)
    top = torch.stack([part.amax(1) for part in parts]).amax(0).unsqueeze(1)
    return replace(
        scores,
        pairs=scores.pairs - top.unsqueeze(2),
        test_alone=scores.test_alone - top,
        template_alone=scores.template_alone - top,
    )


def normalised(scores: Scores, mask: Tensor) -> Normalised:
    """Normalise scores that are `shifted`.

    A pair gets the geometric mean of its probabilities by row and by column: each direction
    knows of competitors that the other doesn't. Rows, with "no partner", are then normalised.

    Parameters
    ----------
    scores : Scores
    mask : Tensor of bool, (b, m)
        False where the test is padded.
    """
    exponential = scores.pairs.clamp_min(LEAST_SCORE).exp_()
    there = mask.to(exponential.dtype)
    alone = scores.test_alone.clamp_min(LEAST_SCORE).exp()
    others = scores.template_alone.clamp_min(LEAST_SCORE).exp()
    by_row = exponential.sum(2) + alone
    columns = ((there.unsqueeze(1) @ exponential).squeeze(1) + others).rsqrt()
    pairs = (exponential * columns.unsqueeze(1)).sum(2) * by_row.rsqrt()
    none = alone / by_row
    rows = there * by_row.rsqrt() / (pairs + none)
    return Normalised(exponential, rows, columns, none / (pairs + none))


def log_posterior(scores: Scores, mask: Tensor) -> Tensor:
    """Log-probabilities (b, m, n + 1), rows normalised, last column "no partner".

    See `normalised`. Padded rows have no meaning.

    Parameters
    ----------
    scores : Scores
    mask : Tensor of bool, (b, m)
        False where the test is padded.
    """
    own = shifted(scores)
    found = normalised(own, mask)
    rows, columns, none = (
        part.log().clamp_min(LEAST_LOG) for part in (found.rows, found.columns, found.none)
    )
    pairs = own.pairs.clamp_min(LEAST_LOG) + rows.unsqueeze(2) + columns.unsqueeze(1)
    return torch.cat([pairs, none.unsqueeze(2)], dim=2)
