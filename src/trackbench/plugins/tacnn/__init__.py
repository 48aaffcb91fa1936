"""A network that learns one recording from a few labelled frames, and frames it deforms itself.

After Park et al. 2023 (targeted augmentation): the labelled frames are deformed towards postures
that the network doesn't know yet, by its own imperfect answers. `tacnn` is the trained network as
a segmenter that knows who its neurons are; `known` names neurons by that knowledge.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from trackbench.core.hookspecs import hookimpl
from trackbench.plugins.tacnn.config import TacnnConfig
from trackbench.plugins.tacnn.labeler import KnownLabeler
from trackbench.plugins.tacnn.segmenter import TacnnSegmenter

if TYPE_CHECKING:
    from trackbench.core.plugin import Labeler, Segmenter

__all__ = ["KnownLabeler", "TacnnConfig", "TacnnSegmenter"]

TRACKBENCH_API = 1


@hookimpl
def trackbench_segmenters() -> list[type[Segmenter[Any]]]:
    """Give `tacnn`."""
    return [TacnnSegmenter]


@hookimpl
def trackbench_labelers() -> list[type[Labeler[Any]]]:
    """Give `known`."""
    return [KnownLabeler]
