"""Coherent point drift: rigid from many poses, then non-rigid, batched over tests and starts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from trackbench.core.hookspecs import hookimpl
from trackbench.plugins.cpd.config import CpdConfig
from trackbench.plugins.cpd.matcher import CpdMatcher

if TYPE_CHECKING:
    from trackbench.core.plugin import Matcher

__all__ = ["CpdConfig", "CpdMatcher"]

TRACKBENCH_API = 1


@hookimpl
def trackbench_matchers() -> list[type[Matcher[Any]]]:
    """Give `cpd`."""
    return [CpdMatcher]
