"""Ceiling, floor and speed control, and the plainest labeler."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from trackbench.core.hookspecs import hookimpl
from trackbench.plugins.baselines.matchers import NearestMatcher, RandomMatcher, TruthMatcher
from trackbench.plugins.baselines.transfer import TransferLabeler

if TYPE_CHECKING:
    from trackbench.core.plugin import Labeler, Matcher

__all__ = ["NearestMatcher", "RandomMatcher", "TransferLabeler", "TruthMatcher"]

TRACKBENCH_API = 1


@hookimpl
def trackbench_matchers() -> list[type[Matcher[Any]]]:
    """Give `truth`, `random` and `nearest`."""
    return [TruthMatcher, RandomMatcher, NearestMatcher]


@hookimpl
def trackbench_labelers() -> list[type[Labeler[Any]]]:
    """Give `transfer`."""
    return [TransferLabeler]
