"""The brightness of a volume at given positions, and of what lies around them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
from pydantic import BaseModel, ConfigDict, Field
from scipy.spatial import cKDTree

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from trackbench.core.types import Volume

    FloatArray = NDArray[np.float64]

__all__ = ["SampleConfig", "sample"]

FEWEST: Final = 10
"""Voxels that a local background needs; with fewer it is the volume's median."""


class SampleConfig(BaseModel):
    """Where light is counted; lengths in µm."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    radius_um: float = Field(default=1.7, gt=0, description="sphere that is a neuron's own")
    clear: float = Field(
        default=1.8,
        ge=1,
        description="background lies farther than this from every neuron, in radii",
    )
    shell: float = Field(default=3.5, gt=1, description="outer end of the background, in radii")

    @property
    def clear_um(self) -> float:
        """Distance that the background keeps from every neuron."""
        return self.clear * self.radius_um

    @property
    def shell_um(self) -> float:
        """Outer radius of the local background."""
        return self.shell * self.radius_um


def sample(
    volume: Volume, zyx_um: FloatArray, others: FloatArray, config: SampleConfig
) -> tuple[FloatArray, FloatArray]:
    """Measure brightness at positions.

    A neuron's own voxels are those within `radius_um` that no other neuron is nearer to, at
    least the one that it sits in. Its background is the median of the voxels within `shell_um`
    that are farther than `clear_um` from every neuron.

    Parameters
    ----------
    volume : Volume
    zyx_um : (n, 3) array
        Positions in µm; NaN where there is none.
    others : (m, 3) array
        All other neurons of the volume, tracked or not.
    config : SampleConfig

    Returns
    -------
    signal : (c, n) array
        Mean of the own voxels; NaN where there is no position or it lies outside the volume.
    background : (c, n) array
    """
    channels = len(volume.data)
    signal = np.full((channels, len(zyx_um)), np.nan)
    background = np.full((channels, len(zyx_um)), np.nan)
    here = np.flatnonzero(_inside(volume, zyx_um))
    if not len(here):
        return signal, background
    at, voxel, distance = _around(volume, zyx_um[here], config.shell_um)
    rivals = cKDTree(np.concatenate([zyx_um[here], others]))
    own, free = _own_and_free(at, distance, rivals, config)
    for c in range(channels):
        values = volume.data[c].reshape(-1)[voxel].astype(np.float64)
        signal[c, here] = _mean(values, own)
        around = np.where(free, values, np.nan)
        enough = free.sum(axis=1) >= FEWEST
        background[c, here] = float(np.median(volume.data[c]))
        background[c, here[enough]] = np.nanmedian(around[enough], axis=1)
    return signal, background


def _inside(volume: Volume, zyx_um: FloatArray) -> NDArray[np.bool_]:
    """Tell which positions lie in the volume; NaN doesn't."""
    last = (np.array(volume.data.shape[1:]) - 0.5) * volume.voxel_um
    inside: NDArray[np.bool_] = np.all(
        (zyx_um >= -0.5 * np.asarray(volume.voxel_um)) & (zyx_um < last), axis=1
    )
    return inside


def _around(
    volume: Volume, zyx_um: FloatArray, reach_um: float
) -> tuple[FloatArray, NDArray[np.intp], FloatArray]:
    """List the voxels near each position.

    Returns
    -------
    at : (n, k, 3) array
        Their centres in µm.
    voxel : (n, k) array of int
        Their flat index; clipped where outside.
    distance : (n, k) array
        To the position in µm; infinite outside the volume.
    """
    pitch, shape = np.asarray(volume.voxel_um), np.array(volume.data.shape[1:])
    reach = np.ceil(reach_um / pitch).astype(int)
    steps = [np.arange(-r, r + 1) for r in reach]
    grid = np.stack(np.meshgrid(*steps, indexing="ij"), axis=-1).reshape(-1, 3)
    grid = grid[np.linalg.norm(grid * pitch, axis=1) <= reach_um + pitch.max() / 2]
    index = np.round(zyx_um / pitch).astype(int)[:, None] + grid
    at = index * pitch
    distance = np.linalg.norm(at - zyx_um[:, None], axis=2)
    outside = ((index < 0) | (index >= shape)).any(axis=2)
    distance[outside] = np.inf
    clipped = np.clip(index, 0, shape - 1)
    voxel = np.ravel_multi_index(tuple(np.moveaxis(clipped, 2, 0)), tuple(shape))
    return at, voxel.astype(np.intp), distance


def _own_and_free(
    at: FloatArray,
    distance: FloatArray,
    rivals: cKDTree,
    config: SampleConfig,
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Tell which voxels (n, k) are each neuron's own, and which are nobody's."""
    near = distance <= config.radius_um
    owner = np.full(distance.shape, -1)
    owner[near] = rivals.query(at[near])[1]
    own = near & (owner == np.arange(len(at))[:, None])
    # a neuron smaller than a voxel, or squeezed between others, has at least its own voxel
    own[np.arange(len(at)), distance.argmin(axis=1)] = True
    shell = (distance > config.clear_um) & (distance <= config.shell_um)
    clear = rivals.query(at[shell], distance_upper_bound=config.clear_um)[0]
    free = np.zeros(shell.shape, dtype=np.bool_)
    free[shell] = ~np.isfinite(clear)
    return own, free


def _mean(values: FloatArray, chosen: NDArray[np.bool_]) -> FloatArray:
    mean: FloatArray = (values * chosen).sum(axis=1) / chosen.sum(axis=1)
    return mean
