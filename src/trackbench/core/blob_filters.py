"""Where blobs are: the part of a volume that holds light, band-pass filter, peaks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from scipy.ndimage import gaussian_filter

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from trackbench.core.blob_settings import BlobSettings

__all__ = ["Filtered", "filtered", "lit_box", "peaks"]

FINE: Final = 0.3
"""Standard deviation of the inner Gaussian, in radii: little, so that touching nuclei part."""
COARSE: Final = 0.75
"""That of the outer one: what is taken off around each peak."""
WIDE: Final = 2.5
"""That of the background, which is taken off before shapes are measured."""
TRUNCATE: Final = 3.0
BRIGHTEST: Final = 20
LONE: Final = 0.2
"""A nucleus is blurred: beside its brightest voxel lies one with more than this share of it."""
MAD_TO_SD: Final = 1.4826


@dataclass(frozen=True, eq=False)
class Filtered:
    """The lit part of a volume after filtering, (z, y, x) each.

    Parameters
    ----------
    band : array of float32
        Difference of a fine and a coarse Gaussian: peaks at nuclei.
    light : array of float32
        Difference of a fine and a wide Gaussian: a nucleus without its background.
    noise : float
        Standard deviation of the noise in `band`.
    """

    band: NDArray[np.float32]
    light: NDArray[np.float32]
    noise: float


def lit_box(image: NDArray[Any], pitch: NDArray[np.float64], radius_um: float) -> tuple[slice, ...]:
    """Give the part of a volume (z, y, x) that holds light, with a margin; all of it if unsure.

    Voxels are averaged over blocks of about one radius, so that noise doesn't count as light.
    """
    block = np.maximum(np.round(radius_um / pitch), 1).astype(int)
    whole = tuple(slice(0, n) for n in image.shape)
    kept = (np.array(image.shape) // block) * block
    if (kept == 0).any():
        return whole
    z, y, x = kept // block
    cut = image[tuple(slice(0, k) for k in kept)]
    means = cut.reshape(z, block[0], y, block[1], x, block[2]).mean(axis=(1, 3, 5))
    usual = np.median(means)
    spread = MAD_TO_SD * np.median(np.abs(means - usual))
    lit = means > usual + max(6 * spread, 1e-3 * float(means.max() - usual))
    if not lit.any():
        return whole
    margin = np.ceil(2 * WIDE * radius_um / pitch).astype(int)
    places = np.argwhere(lit)
    low = np.maximum(places.min(axis=0) * block - margin, 0)
    high = np.minimum((places.max(axis=0) + 1) * block + margin, image.shape)
    high = np.where(high >= kept, image.shape, high)
    return tuple(slice(int(a), int(b)) for a, b in zip(low, high, strict=True))


def filtered(image: NDArray[Any], pitch: NDArray[np.float64], settings: BlobSettings) -> Filtered:
    """Filter a volume (z, y, x); all widths are in µm."""
    values = image.astype(np.float32)
    radius = settings.radius_um
    fine, coarse, wide = (
        gaussian_filter(values, scale * radius / pitch, truncate=TRUNCATE)
        for scale in (FINE, COARSE, WIDE)
    )
    band = fine - coarse
    # nuclei fill a small part of the box: the median doesn't see them
    noise = MAD_TO_SD * float(np.median(np.abs(band - np.median(band))))
    return Filtered(band, fine - wide, noise)


def peaks(image: NDArray[Any], found: Filtered, settings: BlobSettings) -> NDArray[np.intp]:
    """Give the voxels (n, 3) of the local maxima that stand out of noise and of bright nuclei.

    Parameters
    ----------
    image : (z, y, x) array
        What `found` was made of: a maximum that is one bright voxel alone is a fault of the camera.
    found : Filtered
    settings : BlobSettings
    """
    index = _maxima(found.band, max(settings.noise * found.noise, 0.0))
    index = index[~_lone(image, index)]
    height = found.band[tuple(index.T)]
    bright = np.sort(height)[-BRIGHTEST:].mean() if len(height) else 0.0
    kept: NDArray[np.intp] = index[height > settings.contrast * bright]
    return kept


def _maxima(band: NDArray[np.float32], least: float) -> NDArray[np.intp]:
    """Give the voxels (n, 3) above `least` that none of their 26 neighbours exceeds."""
    high = np.argwhere(band > least)
    top = _around(band, high).max(axis=1) <= band[tuple(high.T)]
    kept: NDArray[np.intp] = high[top]
    return kept


def _lone(image: NDArray[Any], index: NDArray[np.intp]) -> NDArray[np.bool_]:
    """Say which maxima (n,) are one bright voxel among dark ones."""
    ranked = np.sort(_around(image, index), axis=1).astype(np.float64)
    dark, second, first = ranked[:, ranked.shape[1] // 2], ranked[:, -2], ranked[:, -1]
    alone: NDArray[np.bool_] = second - dark < LONE * (first - dark)
    return alone


def _around(values: NDArray[Any], index: NDArray[np.intp]) -> NDArray[Any]:
    """Give the values of voxels (n, 3) and their neighbours, (n, 27); edges are repeated."""
    framed = np.pad(values, 1, mode="edge")
    step = np.array([framed.shape[1] * framed.shape[2], framed.shape[2], 1])
    offset = np.indices((3, 3, 3)).reshape(3, -1).T @ step
    near: NDArray[Any] = framed.ravel()[(index @ step)[:, None] + offset]
    return near
