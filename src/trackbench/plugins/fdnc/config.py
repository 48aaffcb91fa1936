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
        default="bfloat16",
        description="of the networks' products; with torch, of the matching network alone",
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
    refine: int = Field(
        default=10, ge=0, le=50, description="rounds in which the template is bent onto the test"
    )
    refine_start_um: float = Field(
        default=4.0, gt=0, le=50, description="width of the correspondence in the first round"
    )
    refine_end_um: float = Field(default=1.3, gt=0, le=50, description="width in the last round")
    refine_limit_um: float = Field(
        default=1.38,
        ge=0,
        le=50,
        description="residual, plus 1 µm times the share of the network's matches that the bend "
        "disagrees with, above which the worms count as two animals and keep their scores",
    )
    refine_prior: float = Field(
        default=0.1, ge=0, le=1, description="factor of the scores where the bent template fits"
    )
