"""Bright blobs of a volume: difference of Gaussians, watershed, and a split of touching pairs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from trackbench.core.hookspecs import hookimpl
from trackbench.plugins.blobs.config import BlobsConfig
from trackbench.plugins.blobs.segmenter import BlobsSegmenter

if TYPE_CHECKING:
    from trackbench.core.plugin import Segmenter

__all__ = ["BlobsConfig", "BlobsSegmenter"]

TRACKBENCH_API = 1


@hookimpl
def trackbench_segmenters() -> list[type[Segmenter[Any]]]:
    """Give `blobs`."""
    return [BlobsSegmenter]
