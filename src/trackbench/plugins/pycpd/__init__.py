"""The pycpd library behind the interface of a matcher: the peer of `cpd`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from trackbench.core.hookspecs import hookimpl
from trackbench.plugins.pycpd.matcher import PycpdConfig, PycpdMatcher

if TYPE_CHECKING:
    from trackbench.core.plugin import Matcher

__all__ = ["PycpdConfig", "PycpdMatcher"]

TRACKBENCH_API = 1


@hookimpl
def trackbench_matchers() -> list[type[Matcher[Any]]]:
    """Give `pycpd`."""
    return [PycpdMatcher]
