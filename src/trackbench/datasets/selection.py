"""Picks some of many, always the same ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["evenly"]

T = TypeVar("T")


def evenly(items: Sequence[T], limit: int | None) -> tuple[T, ...]:
    """Give `limit` of the items, spread evenly from the first to the last, in their order.

    Parameters
    ----------
    items : sequence
    limit : int or None
        All of them where None or more than there are.
    """
    if limit is None or limit >= len(items):
        return tuple(items)
    index = np.linspace(0, len(items) - 1, limit).round().astype(int)
    return tuple(items[i] for i in index)
