"""What counts as a blob."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["BlobSettings"]


@dataclass(frozen=True)
class BlobSettings:
    """What counts as a blob; lengths in µm, so that it holds at any voxel pitch.

    Parameters
    ----------
    radius_um : float
        Radius of a nucleus; sets every filter.
    noise : float
        Least height of a blob, in standard deviations of the noise.
    contrast : float
        Least height of a blob, as a share of that of the brightest twenty.
    split : float
        A blob whose variance along any axis is this many times the usual is two.
    """

    radius_um: float = 1.6
    noise: float = 8.0
    contrast: float = 0.02
    split: float = 2.0
