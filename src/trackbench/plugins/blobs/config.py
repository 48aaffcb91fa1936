"""Parameters of `blobs`."""

from __future__ import annotations

from pydantic import Field

from trackbench.core.blob_settings import BlobSettings
from trackbench.core.plugin import Config

__all__ = ["BlobsConfig"]


class BlobsConfig(Config):
    """Parameters of `blobs`; lengths in µm, so that they hold at any voxel pitch."""

    radius_um: float = Field(
        default=BlobSettings.radius_um,
        gt=0,
        le=50,
        description="radius of a nucleus in µm; sets every filter",
    )
    noise: float = Field(
        default=BlobSettings.noise,
        ge=0,
        le=1000,
        description="least height of a blob, in standard deviations",
    )
    contrast: float = Field(
        default=BlobSettings.contrast,
        ge=0,
        le=1,
        description="least height of a blob, as a share of the brightest twenty",
    )
    split: float = Field(
        default=BlobSettings.split,
        ge=1,
        le=1000,
        description="a blob whose variance along any axis is this many times the usual is two",
    )
    channel: int = Field(default=0, ge=0, le=100, description="channel to search: 0 is the red one")
