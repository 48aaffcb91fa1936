"""A conditional random field over neurons: an atlas and what neighbours say of each other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from trackbench.core.hookspecs import hookimpl
from trackbench.plugins.crf.config import CrfConfig
from trackbench.plugins.crf.labeler import CrfLabeler

if TYPE_CHECKING:
    from trackbench.core.plugin import Labeler

__all__ = ["CrfConfig", "CrfLabeler"]

TRACKBENCH_API = 1


@hookimpl
def trackbench_labelers() -> list[type[Labeler[Any]]]:
    """Give `crf`."""
    return [CrfLabeler]
