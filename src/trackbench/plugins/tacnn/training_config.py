"""Settings of a training run."""

from __future__ import annotations

from pydantic import Field

from trackbench.core.plugin import Config

__all__ = ["TrainingConfig"]


class TrainingConfig(Config):
    """Everything that the weights depend on beside frames and labels."""

    seed: int = Field(default=0, ge=0)
    base_steps: int = Field(
        default=120, ge=1, description="steps on the labelled frames alone, one frame a step"
    )
    extra_steps: int = Field(
        default=120, ge=0, description="further steps, on labelled and synthetic frames"
    )
    rounds: int = Field(
        default=3, ge=1, description="how often synthetic frames are made anew in these"
    )
    targeted: bool = Field(
        default=True, description="whether there are synthetic frames; False = the control"
    )
    share: float = Field(
        default=1.0, gt=0, le=1, description="part of the way that a labelled frame is deformed"
    )
    radius: float = Field(
        default=4.0, gt=0, le=50, description="voxels around a point that are labelled"
    )
    learning_rate: float = Field(default=4e-3, gt=0, le=1)
    reduce: tuple[int, int, int] = Field(
        default=(1, 2, 2), description="voxels (z, y, x) that become one"
    )
    channels: int = Field(default=1, ge=1, le=6, description="channels that are read, red first")
