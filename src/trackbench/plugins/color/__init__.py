"""The labeler `color`: names from colors alone, to be added to tables that know positions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from trackbench.core.hookspecs import hookimpl
from trackbench.plugins.color.config import ColorConfig
from trackbench.plugins.color.labeler import ColorLabeler

if TYPE_CHECKING:
    from trackbench.core.plugin import Labeler

__all__ = ["ColorConfig", "ColorLabeler"]

TRACKBENCH_API = 1


@hookimpl
def trackbench_labelers() -> list[type[Labeler[Any]]]:
    """Give `color`."""
    return [ColorLabeler]
