"""What a simulated image recording looks like: its microscope, its nuclei, its calcium."""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["PRESETS", "CalciumConfig", "ImageConfig"]


class CalciumConfig(BaseModel):
    """How neurons are active, and how the indicator follows; times in seconds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    active_s: float = Field(default=6.0, gt=0, description="mean length of an active state")
    quiet_s: float = Field(default=12.0, gt=0, description="mean length of a quiet state")
    groups: int = Field(default=4, ge=1, description="groups of neurons that change state together")
    shared: float = Field(
        default=0.5, ge=0, le=1, description="share of a neuron's own group in it"
    )
    graded: float = Field(default=0.15, ge=0, description="standard deviation of graded activity")
    rise_s: float = Field(default=0.25, gt=0, description="rise time of the indicator")
    decay_s: float = Field(default=1.5, gt=0, description="decay time of the indicator")
    peak: float = Field(default=1.5, ge=0, description="median change of fluorescence, dF/F0")


class ImageConfig(BaseModel):
    """A moving head under a spinning-disk microscope.

    Lengths in µm, axis order z, y, x; intensities in counts of an 8-bit image.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    volumes: int = Field(default=200, ge=1)
    neurons: int = Field(default=120, ge=8)
    shape: tuple[int, int, int] = Field(default=(32, 160, 256), description="voxels along z, y, x")
    voxel_um: tuple[float, float, float] = Field(
        default=(1.95, 0.65, 0.65), description="voxel pitch along z, y, x"
    )
    volumes_per_s: float = Field(default=6.0, gt=0)

    movement: float = Field(
        default=1.0, ge=0, description="factor of bends, rolls and turns; 0 holds the worm still"
    )
    memory: float = Field(default=20.0, gt=0, description="volumes over which movement persists")
    jitter_um: float = Field(
        default=1.5, ge=0, description="standard deviation of the error of the following stage"
    )

    radius_um: float = Field(default=1.6, gt=0, description="median radius of a nucleus")
    radius_spread: float = Field(
        default=0.12, ge=0, description="standard deviation of the radius's logarithm"
    )
    touch: float = Field(
        default=0.95, ge=0, le=1.5, description="least distance of two nuclei, in sums of radii"
    )
    brightness: float = Field(default=90.0, gt=0, description="median brightness of the red label")
    brightness_spread: float = Field(
        default=0.45, ge=0, description="standard deviation of its logarithm"
    )
    green: float = Field(
        default=0.4, gt=0, description="resting green brightness, as a share of the red"
    )
    green_spread: float = Field(
        default=0.3, ge=0, description="standard deviation of that share's logarithm"
    )
    bleach_s: tuple[float, float] = Field(
        default=(400.0, 600.0), description="time constants of bleaching, red and green"
    )
    calcium: CalciumConfig = CalciumConfig()

    psf_um: tuple[float, float, float] = Field(
        default=(1.2, 0.35, 0.35), description="standard deviation of the point-spread function"
    )
    aberration: float = Field(
        default=0.004, ge=0, description="growth of the point-spread function a µm of depth"
    )
    attenuation_um: float = Field(
        default=90.0, gt=0, description="depth over which light falls to 1/e; slice 0 is nearest"
    )
    haze: float = Field(
        default=0.03, ge=0, description="brightness of the light out of focus, share of a nucleus's"
    )
    haze_um: float = Field(default=6.0, gt=0, description="standard deviation of that light")
    offset: float = Field(default=6.0, ge=0, description="counts without any light")
    counts_per_photon: float = Field(default=0.5, gt=0)
    read_noise: float = Field(default=1.5, ge=0, description="standard deviation, in counts")


PRESETS: Final = MappingProxyType(
    {
        "head": ImageConfig(),
        "small": ImageConfig(
            neurons=22,
            shape=(16, 64, 64),
            voxel_um=(3.0, 2.0, 2.0),
            radius_um=3.0,
            psf_um=(2.0, 0.8, 0.8),
        ),
    }
)
"""A head at real density and pitch, and a coarse one with few neurons for quick trials."""
