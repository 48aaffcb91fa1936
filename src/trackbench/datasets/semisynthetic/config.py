"""What a simulated worm goes through: ranges of every distortion, and named presets."""

from __future__ import annotations

import math

from pydantic import BaseModel, ConfigDict, Field

SIMULATOR_VERSION = 1
"""Changes when the same seed and config no longer give the same worms."""


class SimulatorConfig(BaseModel):
    """Ranges that the simulator draws from; lengths in µm, angles in radians.

    Each range is of one draw a view unless it says "an animal": those are shared by all views
    of one worm.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    across: float = Field(
        default=0.6, ge=0, le=1, description="share of groups whose views are different animals"
    )
    towards: tuple[float, float] = Field(
        default=(0.5, 1.25),
        description="step towards another worm, 1 being all the way (an animal)",
    )
    mixture: float = Field(
        default=0.3, ge=0, le=1, description="share of animals drawn towards two worms"
    )
    color_swap: float = Field(
        default=0.0, ge=0, le=1, description="share of neurons colored by the worm drawn towards"
    )
    mirror: float = Field(
        default=0.0, ge=0, le=1, description="share of groups that are mirror images"
    )

    bend: float = Field(
        default=0.4, ge=0, description="standard deviation of the turn from head to tail"
    )
    wave: float = Field(default=0.2, ge=0, description="standard deviation of an S-shaped turn")
    out_of_plane: float = Field(
        default=0.3, ge=0, le=1, description="share of bends in any plane, not the dorsoventral"
    )
    twist: float = Field(
        default=0.3, ge=0, description="standard deviation of roll from head to tail"
    )
    scale: float = Field(
        default=0.08, ge=0, description="standard deviation of the logarithm, each axis"
    )
    shear: float = Field(
        default=0.05, ge=0, description="standard deviation of the off-diagonal terms"
    )
    warp_um: float = Field(
        default=2.5, ge=0, description="largest standard deviation of a smooth random field"
    )
    warp_length_um: tuple[float, float] = (12.0, 45.0)

    noise_um: tuple[float, float] = (0.2, 1.0)
    noise_optical: float = Field(
        default=2.5, ge=1, description="largest ratio of noise along the optical axis"
    )
    drop: tuple[float, float] = (0.02, 0.3)
    spurious: float = Field(default=0.15, ge=0, le=0.5, description="largest share of added points")
    crop: float = Field(default=0.35, ge=0, le=1, description="share of views that lose one end")
    crop_depth: float = Field(
        default=0.45, ge=0, lt=1, description="largest share of the length that is lost"
    )
    head_crop: float = Field(
        default=0.25, ge=0, le=1, description="share of crops that take the head end"
    )
    partial: float = Field(
        default=0.1, ge=0, le=1, description="share of views with only the names another worm has"
    )

    roll: float = Field(
        default=math.pi, ge=0, description="largest roll about the long axis, either way"
    )
    in_plane: float = Field(
        default=math.pi, ge=0, description="largest turn about the optical axis"
    )
    tilt: float = Field(
        default=0.1, ge=0, description="standard deviation of the tilt of the long axis"
    )
