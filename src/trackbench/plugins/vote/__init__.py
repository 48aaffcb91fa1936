"""Voting of several templates on the names of one test."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from trackbench.core.hookspecs import hookimpl
from trackbench.plugins.vote.labeler import VoteConfig, VoteLabeler

if TYPE_CHECKING:
    from trackbench.core.plugin import Labeler

__all__ = ["VoteConfig", "VoteLabeler"]

TRACKBENCH_API = 1


@hookimpl
def trackbench_labelers() -> list[type[Labeler[Any]]]:
    """Give `vote`."""
    return [VoteLabeler]
