"""A recording of image volumes of one simulated worm, with exact truth, one volume at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from trackbench.core.types import PointCloud, Volume
from trackbench.datasets.semisynthetic.calcium_activity import simulate_calcium
from trackbench.datasets.semisynthetic.nuclei import Nuclei, draw_nuclei, pushed_apart
from trackbench.datasets.semisynthetic.optics import Microscope
from trackbench.datasets.semisynthetic.recording import (
    RecordingConfig,
    moved,
    stationary_walks,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from trackbench.datasets.semisynthetic.image_config import ImageConfig
    from trackbench.datasets.semisynthetic.shape import ShapeAtlas

__all__ = ["CHANNELS", "ImageRecording", "simulate_images"]

CHANNELS: Final = ("red", "green")
HEADING: Final = 0.25
"""Standard deviation of the heading, rad: a worm that the microscope keeps in view."""


class ImageRecording:
    """Image volumes of one worm with their truth.

    A volume depends on the seed and its number alone, so any may be asked for in any order, and
    none is kept: a recording of any length takes the memory of one volume.

    Parameters
    ----------
    config : ImageConfig
    names : tuple of str, length n
    zyx_um : (volumes, n, 3) array of float32
        True centres, the first voxel's centre at 0.
    calcium : (volumes, n) array of float32
        True change of the indicator's fluorescence, dF/F0.
    nuclei : Nuclei
    seed : int

    Attributes
    ----------
    id, animal : str
    channels : tuple of str
    """

    def __init__(
        self,
        config: ImageConfig,
        *,
        names: tuple[str, ...],
        zyx_um: NDArray[np.float32],
        calcium: NDArray[np.float32],
        nuclei: Nuclei,
        seed: int,
    ) -> None:
        self.config = config
        self.names = names
        self.zyx_um = zyx_um
        self.calcium = calcium
        self.nuclei = nuclei
        self.seed = seed
        self.id = f"images-{seed}"
        self.animal = self.id
        self.channels = CHANNELS
        self._microscope = Microscope(config, nuclei.radius_um)

    def __len__(self) -> int:
        return len(self.zyx_um)

    def __iter__(self) -> Iterator[Volume]:
        return (self.volume(t) for t in range(len(self)))

    @property
    def voxel_um(self) -> NDArray[np.float64]:
        """Voxel pitch (dz, dy, dx) in µm."""
        return np.array(self.config.voxel_um)

    @property
    def times_s(self) -> NDArray[np.float64]:
        """Time of each volume in s."""
        return np.arange(len(self)) / self.config.volumes_per_s

    def brightness(self, t: int) -> NDArray[np.float64]:
        """Give the brightness (2, n) of each nucleus in each channel, bleached and active."""
        left = np.exp(-self.times_s[t] / np.array(self.config.bleach_s))
        green = self.nuclei.green * (1 + self.calcium[t])
        return np.stack([left[0] * self.nuclei.red, left[1] * green])

    def volume(self, t: int) -> Volume:
        """Render volume `t`: int16 counts from 0 to 255, channels red and green."""
        data = self._microscope.image(
            self.zyx_um[t].astype(np.float64), self.brightness(t), [self.seed, 2, t]
        )
        time_s = float(self.times_s[t])
        return Volume(data, self.voxel_um, self.channels, time_s, f"{self.id}-{t}")

    def labels(self, t: int) -> NDArray[np.int16]:
        """Give the true label volume (z, y, x): 0 = background, i + 1 = neuron i."""
        return self._microscope.labels(self.zyx_um[t].astype(np.float64))

    def visible(self, t: int) -> NDArray[np.bool_]:
        """Say which neurons (n,) have their centre inside the volume."""
        voxel = np.round(self.zyx_um[t] / self.voxel_um)
        inside: NDArray[np.bool_] = ((voxel >= 0) & (voxel < self.config.shape)).all(axis=1)
        return inside

    def points(self, t: int) -> PointCloud:
        """Give the true centres of volume `t` with their names."""
        cloud = PointCloud(
            self.zyx_um[t],
            names=self.names,
            id=f"{self.id}-{t}",
            animal=self.animal,
            mirrored=False,
        )
        return cloud.take(np.flatnonzero(self.visible(t)))


def simulate_images(shapes: ShapeAtlas, config: ImageConfig, seed: int) -> ImageRecording:
    """Draw a worm, move it through time and let its neurons be active.

    Parameters
    ----------
    shapes : ShapeAtlas
    config : ImageConfig
    seed : int

    Returns
    -------
    ImageRecording
        Volumes are rendered when they are asked for.
    """
    rng = np.random.default_rng([seed, 0])
    head, names = shapes.draw_head(rng, config.neurons)
    nuclei = draw_nuclei(config, len(names), rng)
    head = pushed_apart(np.asarray(head, dtype=np.float64), nuclei.radius_um, config.touch)
    zyx_um = _in_view(moved(head, _movement(config), rng), config, rng)
    calcium = simulate_calcium(
        config.calcium, config.volumes, len(names), config.volumes_per_s, seed
    )
    return ImageRecording(
        config, names=names, zyx_um=zyx_um, calcium=calcium, nuclei=nuclei, seed=seed
    )


def _movement(config: ImageConfig) -> RecordingConfig:
    usual = RecordingConfig()
    return RecordingConfig(
        volumes=config.volumes,
        neurons=config.neurons,
        memory=config.memory,
        bend=config.movement * usual.bend,
        wave=config.movement * usual.wave,
        roll=config.movement * usual.roll,
        stretch=config.movement * usual.stretch,
        heading=config.movement * HEADING,
    )


def _in_view(
    points: NDArray[np.float32], config: ImageConfig, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Shift each volume so that the worm lies in the middle, as well as a stage follows it."""
    middle = (np.array(config.shape) - 1) * config.voxel_um / 2
    walks = stationary_walks(rng, len(points), 3, config.memory).T
    low, high = points.min(axis=1), points.max(axis=1)
    shift = middle - (low + high) / 2 + config.jitter_um * walks
    shifted: NDArray[np.float32] = (points + shift[:, None]).astype(np.float32)
    return shifted
