"""Parameters of `color`."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003  pydantic reads the annotation
from typing import Literal

from pydantic import Field

from trackbench.core.plugin import LabelerConfig

__all__ = ["ColorConfig"]


class ColorConfig(LabelerConfig):
    """Parameters of `color`."""

    preset: Literal["learned", "yu2021"] = Field(
        default="learned",
        description="a color model of every name, learned on train worms; or the rule of fDNC: "
        "compare with the first template (published weight: 60)",
    )
    weights: Path | None = Field(
        default=None, description="weights file; the shipped color model where absent"
    )
    none_share: float = Field(
        default=0.05, gt=0, lt=1, description="prior that a neuron is none of the names"
    )
