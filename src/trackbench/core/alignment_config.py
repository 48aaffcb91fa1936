"""What an alignment to an atlas has to be told."""

from __future__ import annotations

from pydantic import Field

from trackbench.core.plugin import LabelerConfig

__all__ = ["AlignmentConfig"]


class AlignmentConfig(LabelerConfig):
    """Base of the configs of labelers that align worms to a statistical atlas."""

    rolls: int = Field(default=8, ge=1, le=64, description="rolls tried about the long axis")
    kept: int = Field(default=8, ge=1, le=64, description="poses that are aligned to the end")
    rounds: int = Field(default=16, ge=1, le=200, description="rounds after the choice of poses")
    blur_um: float = Field(default=16.0, ge=0, le=100, description="extra spread at first, µm")
    ridge_um2: float = Field(default=100.0, ge=0, description="pull of affine fits to rigid, µm²")
    color_weight: float = Field(
        default=0.5, ge=0, le=10, description="factor of the log-density of colors"
    )
    none_share: float = Field(
        default=0.05, gt=0, lt=1, description="prior that a neuron is none of the names"
    )
