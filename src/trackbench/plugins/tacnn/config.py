"""Parameters of the segmenter."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - pydantic resolves it when the class is made
from typing import Literal

from pydantic import Field

from trackbench.core.plugin import Config

__all__ = ["TacnnConfig"]


class TacnnConfig(Config):
    """Parameters of `tacnn`."""

    weights: Path | None = Field(
        default=None, description="a file that trackbench train tacnn wrote of this recording"
    )
    device: Literal["cpu", "cuda"] = Field(default="cpu", description="where to compute")
    guide_um: float = Field(
        default=2.0,
        ge=0,
        le=1000,
        description="width of a place by the labelled frames; 0, and masks: the network alone",
    )
    fewest_voxels: int = Field(
        default=3,
        ge=1,
        le=10_000,
        description="smaller pieces of a class are no neuron; not for guided points",
    )
