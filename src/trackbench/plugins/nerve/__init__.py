"""Neuron registration vector encoding: match by registering, name by many templates."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from trackbench.core.hookspecs import hookimpl
from trackbench.plugins.nerve.labeler import NerveLabeler, NerveLabelerConfig
from trackbench.plugins.nerve.matcher import NerveConfig, NerveMatcher

if TYPE_CHECKING:
    from trackbench.core.plugin import Labeler, Matcher

__all__ = ["NerveConfig", "NerveLabeler", "NerveLabelerConfig", "NerveMatcher"]

TRACKBENCH_API = 1


@hookimpl
def trackbench_matchers() -> list[type[Matcher[Any]]]:
    """Give the matcher `nerve`: one registration."""
    return [NerveMatcher]


@hookimpl
def trackbench_labelers() -> list[type[Labeler[Any]]]:
    """Give the labeler `nerve`: a whole recording as templates."""
    return [NerveLabeler]
