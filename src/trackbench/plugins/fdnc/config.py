"""Parameters of `fdnc`."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - pydantic resolves it when the class is made
from typing import Literal

from pydantic import Field

from trackbench.core.plugin import Config

__all__ = ["FdncConfig"]


class FdncConfig(Config):
    """Parameters of `fdnc`.

    The defaults of the last step were chosen on validation worms and on volumes 1-200 of
    nguyen2017.
    """

    device: Literal["cpu", "cuda"] = Field(default="cpu", description="where to compute")
    precision: Literal["bfloat16", "float32"] = Field(
        default="bfloat16", description="of the networks; positions and scores are float32"
    )
    weights: Path | None = Field(
        default=None, description="a file that trackbench train fdnc wrote; None = the shipped one"
    )
    temperature: float = Field(
        default=1.0, gt=0, le=10, description="divides the scores: above 1 is less confident"
    )
    none_bias: float = Field(
        default=0.0, ge=-20, le=20, description="added to the scores of having no partner"
    )
    refine: int = Field(default=2, ge=0, le=20, description="rounds of refinement by neighbours")
    refine_strength: float = Field(
        default=0.8, ge=0, le=2, description="weight of the residuals against the network"
    )
    refine_least_um: float = Field(
        default=1.2, gt=0, le=50, description="smallest residual that is believed, in µm"
    )
    refine_reach_um: float = Field(
        default=10.0, gt=0, le=200, description="distance over which neurons move together, in µm"
    )
