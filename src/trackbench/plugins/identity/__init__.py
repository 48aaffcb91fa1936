"""The labeler `identity`: a network that names neurons from their places and colors alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from trackbench.core.hookspecs import hookimpl
from trackbench.plugins.identity.labeler import IdentityConfig, IdentityLabeler

if TYPE_CHECKING:
    from trackbench.core.plugin import Labeler

__all__ = ["IdentityConfig", "IdentityLabeler"]

TRACKBENCH_API = 1


@hookimpl
def trackbench_labelers() -> list[type[Labeler[Any]]]:
    """Give `identity`."""
    return [IdentityLabeler]
