"""A microscope: nuclei become a blurred, dimmed and noisy image."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Final

import numpy as np
from scipy.ndimage import gaussian_filter
from scipy.special import ndtr

from trackbench.datasets.semisynthetic.nuclei import ball_sources

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from trackbench.datasets.semisynthetic.image_config import ImageConfig

__all__ = ["Microscope"]

REACH: Final = 3.0
"""Standard deviations after which the point-spread function counts as nothing."""
WHITE: Final = 255


@dataclass(frozen=True, eq=False)
class Microscope:
    """Renders the volumes of one recording.

    Parameters
    ----------
    config : ImageConfig
    radius_um : (n,) array
    """

    config: ImageConfig
    radius_um: NDArray[np.float64]

    def image(
        self, zyx_um: NDArray[np.float64], brightness: NDArray[np.float64], seed: list[int]
    ) -> NDArray[np.int16]:
        """Take one volume.

        Parameters
        ----------
        zyx_um : (n, 3) array
            Centres of the nuclei.
        brightness : (channels, n) array
            Counts inside a nucleus much larger than the point-spread function.
        seed : list of int
            Of the noise.

        Returns
        -------
        (channels, z, y, x) array of int16, 0 to 255
        """
        light = self._in_focus(zyx_um, brightness) + self._haze(zyx_um, brightness)
        depth = self.config.voxel_um[0] * np.arange(self.config.shape[0], dtype=np.float32)
        light *= np.exp(-depth / self.config.attenuation_um)[:, None, None]
        return self._camera(light, np.random.default_rng(seed))

    def labels(self, zyx_um: NDArray[np.float64]) -> NDArray[np.int16]:
        """Give the voxels of each nucleus: (z, y, x), 0 = background, i + 1 = nucleus i.

        A voxel belongs to the nucleus that its centre lies in, the relatively nearest if there
        are two; a nucleus between two slices owns the voxel at its centre at least.
        """
        pitch = np.array(self.config.voxel_um)
        found = np.zeros(self.config.shape, dtype=np.int16)
        nearest = np.full(self.config.shape, 1.0, dtype=np.float32)
        for i, (centre, radius) in enumerate(zip(zyx_um / pitch, self.radius_um, strict=True)):
            middle = tuple(np.round(centre).astype(int))
            low = np.maximum(np.floor(centre - radius / pitch).astype(int), 0)
            high = np.minimum(np.ceil(centre + radius / pitch).astype(int) + 1, found.shape)
            if (high <= low).any():
                continue
            axes = [np.arange(a, b) - c for a, b, c in zip(low, high, centre, strict=True)]
            z, y, x = (np.square(axis * p / radius) for axis, p in zip(axes, pitch, strict=True))
            squared = z[:, None, None] + y[:, None] + x
            box = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
            if all(a <= m < b for a, m, b in zip(low, middle, high, strict=True)):
                squared[tuple(np.array(middle) - low)] *= 0.1
            own = squared < nearest[box]
            found[box][own] = i + 1
            nearest[box][own] = squared[own]
        return found

    @cached_property
    def _half(self) -> NDArray[np.int64]:
        """Half the side of the box of voxels that a nucleus reaches."""
        pitch = np.array(self.config.voxel_um)
        deepest = self.config.shape[0] * self.config.voxel_um[0]
        widest = np.array(self.config.psf_um) * (1 + self.config.aberration * deepest)
        half: NDArray[np.int64] = np.ceil((self.radius_um.max() + REACH * widest) / pitch)
        return half.astype(np.int64)

    def _in_focus(
        self, zyx_um: NDArray[np.float64], brightness: NDArray[np.float64]
    ) -> NDArray[np.float32]:
        """Sum the blurred nuclei, (channels, z, y, x)."""
        half = self._half
        # nuclei that stick out are drawn on a margin, which is cut off
        canvas = np.zeros((len(brightness), *(np.array(self.config.shape) + 2 * half)), np.float32)
        corner = np.round(zyx_um / self.config.voxel_um).astype(np.int64)
        seen = ((corner >= 0) & (corner < self.config.shape)).all(axis=1)
        boxes = self._boxes(zyx_um[seen], corner[seen], self.radius_um[seen])
        sides = 2 * half + 1
        for box, low, light in zip(boxes, corner[seen], brightness[:, seen].T, strict=True):
            place = tuple(slice(a, a + n) for a, n in zip(low, sides, strict=True))
            canvas[(slice(None), *place)] += light.astype(np.float32)[:, None, None, None] * box
        inner = tuple(slice(h, h + n) for h, n in zip(half, self.config.shape, strict=True))
        return np.ascontiguousarray(canvas[(slice(None), *inner)])

    def _boxes(
        self,
        centres_um: NDArray[np.float64],
        corner: NDArray[np.int64],
        radius_um: NDArray[np.float64],
    ) -> NDArray[np.float32]:
        """Blurred nuclei of brightness 1 in a box of voxels each, (n, z, y, x)."""
        pitch, psf = np.array(self.config.voxel_um), np.array(self.config.psf_um)
        depth = np.maximum(centres_um[:, :1], 0)
        sources, width = ball_sources()
        blur = psf * (1 + self.config.aberration * depth)
        sigma = np.hypot(blur, width * radius_um[:, None])[:, None, :, None]
        offsets = radius_um[:, None, None] * sources
        places = (centres_um - corner * pitch)[:, None] + offsets
        profiles = []
        for axis, half in enumerate(self._half):
            # each source spread over the voxels of an axis: the integral over the voxel
            edges = pitch[axis] * (np.arange(-half, half + 2) - 0.5)
            u = (edges - places[:, :, axis, None]) / sigma[:, :, axis]
            profiles.append(np.diff(ndtr(u.astype(np.float32)), axis=2) / pitch[axis])
        z, y, x = profiles
        plane = y[:, :, :, None] * x[:, :, None, :]
        n, k, *sides = plane.shape
        boxes = z.transpose(0, 2, 1) @ plane.reshape(n, k, sides[0] * sides[1])
        share = (4 / 3 * np.pi / k * radius_um**3).astype(np.float32)
        light: NDArray[np.float32] = boxes * share[:, None, None]
        return light.reshape(n, z.shape[2], *sides)

    def _haze(
        self, zyx_um: NDArray[np.float64], brightness: NDArray[np.float64]
    ) -> NDArray[np.float32]:
        """Light out of focus (channels, z, y, x): smooth, so made on a coarse grid."""
        import torch

        step = np.maximum(np.round(self.config.haze_um / 2 / np.array(self.config.voxel_um)), 1)
        coarse = np.maximum(np.ceil(self.config.shape / step).astype(int), 2)
        cell_um = np.array(self.config.shape) * self.config.voxel_um / coarse
        index = np.floor(zyx_um / cell_um).astype(int)
        seen = ((index >= 0) & (index < coarse)).all(axis=1)
        flat = np.ravel_multi_index(tuple(index[seen].T), tuple(coarse))
        sigma = self.config.haze_um / cell_um
        # a lone nucleus gives `haze` times its brightness at its centre
        peak = self.config.haze * np.prod(np.sqrt(2 * np.pi) * sigma)
        hazes = [
            gaussian_filter(np.bincount(flat, light[seen], coarse.prod()).reshape(coarse), sigma)
            for light in brightness
        ]
        grid = torch.as_tensor(np.stack(hazes)[None] * peak, dtype=torch.float32)
        grown = torch.nn.functional.interpolate(grid, self.config.shape, mode="trilinear")
        haze: NDArray[np.float32] = grown[0].numpy()
        return haze

    def _camera(self, light: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.int16]:
        """Add shot noise (as a normal of the Poisson's variance) and read noise, and digitise."""
        config = self.config
        variance = light * config.counts_per_photon + config.read_noise**2
        noise = rng.standard_normal(light.shape, dtype=np.float32)
        counts = light + np.sqrt(variance) * noise + config.offset
        digits: NDArray[np.int16] = np.clip(np.rint(counts), 0, WHITE).astype(np.int16)
        return digits
