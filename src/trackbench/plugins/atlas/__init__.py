"""The labeler `atlas`: per-name Gaussians of position and color, aligned without names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from trackbench.core.hookspecs import hookimpl
from trackbench.plugins.atlas.config import AtlasConfig
from trackbench.plugins.atlas.labeler import AtlasLabeler

if TYPE_CHECKING:
    from trackbench.core.plugin import Labeler

__all__ = ["AtlasConfig", "AtlasLabeler"]

TRACKBENCH_API = 1


@hookimpl
def trackbench_labelers() -> list[type[Labeler[Any]]]:
    """Give `atlas`."""
    return [AtlasLabeler]
