"""The statistical atlas of head shapes that is shipped: worms without any worm's file.

Mean position of every named neuron, the main ways in which whole heads differ (principal
components over the train worms), what is left for each neuron by itself, and how often a
complete annotation has it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from trackbench.core.geometry import FloatArray, fit_thin_plate
from trackbench.core.weights import load_weights, save_weights
from trackbench.datasets.semisynthetic.worms import (
    LabeledWorm,
    all_names,
    read_worms,
    to_anatomical_frame,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["ShapeAtlas", "fit_shapes", "load_shapes", "save_shapes", "train"]

SHIPPED: Final = Path(__file__).with_name("shapes.safetensors")
KIND: Final = "semi-synthetic"
VERSION: Final = 1
MODES: Final = 12
FEWEST_WORMS: Final = 3
COMPLETE_NAMES: Final = 140
SMOOTHING_UM: Final = 2.0


@dataclass(frozen=True, eq=False)
class ShapeAtlas:
    """Heads in the anatomical frame; axis order z, y, x, µm.

    Parameters
    ----------
    names : tuple of str, length k
    mean_um : ndarray, (k, 3)
    modes_um : ndarray, (q, k, 3)
        Displacement for one standard deviation of each principal component.
    residual_um : ndarray, (k, 3)
        Standard deviation that the components don't explain.
    presence : ndarray, (k,)
        Probability that a head has the neuron.
    trained_on : frozenset of str
        Keys of the worms that it was fitted on.
    """

    names: tuple[str, ...]
    mean_um: FloatArray
    modes_um: FloatArray
    residual_um: FloatArray
    presence: FloatArray
    trained_on: frozenset[str]

    @property
    def covariance_um2(self) -> FloatArray:
        """Covariance (k, 3, 3) of each neuron's position."""
        common = np.einsum("qki,qkj->kij", self.modes_um, self.modes_um)
        own: FloatArray = common + np.eye(3) * np.square(self.residual_um)[:, None, :]
        return own

    def draw(self, rng: np.random.Generator) -> tuple[FloatArray, tuple[str, ...]]:
        """Draw one head: positions (n, 3) and names of the neurons that it has."""
        weights = rng.standard_normal(len(self.modes_um))
        own = self.residual_um * rng.standard_normal(self.mean_um.shape)
        points = self.mean_um + np.tensordot(weights, self.modes_um, 1) + own
        there = rng.random(len(self.names)) < self.presence
        return points[there], tuple(n for n, here in zip(self.names, there, strict=True) if here)

    def draw_head(
        self, rng: np.random.Generator, neurons: int
    ) -> tuple[FloatArray, tuple[str, ...]]:
        """Draw one head and keep some of its neurons at random: (neurons, 3) and their names."""
        points, names = self.draw(rng)
        kept = np.sort(rng.permutation(len(points))[:neurons])
        return points[kept], tuple(names[i] for i in kept)


def fit_shapes(worms: Sequence[LabeledWorm]) -> ShapeAtlas:
    """Fit the atlas to worms that share a frame (`to_anatomical_frame`).

    Every worm is completed: a thin-plate spline from the mean to its named neurons gives the
    others. Principal components are taken over the completed worms.
    """
    names = _frequent_names(worms)
    index = {name: i for i, name in enumerate(names)}
    observed = np.full((len(worms), len(names), 3), np.nan)
    for row, worm in zip(observed, worms, strict=True):
        rows = [i for i, name in enumerate(worm.names) if name in index]
        row[[index[worm.names[i]] for i in rows]] = worm.zyx_um[rows]
    mean = np.nanmean(observed, axis=0)
    change = np.stack([_completed(row, mean) for row in observed]) - mean
    u, s, vt = np.linalg.svd(change.reshape(len(worms), -1), full_matrices=False)
    explained = ((u[:, :MODES] * s[:MODES]) @ vt[:MODES]).reshape(change.shape)
    modes = (s[:MODES, None] * vt[:MODES] / np.sqrt(len(worms))).reshape(-1, *mean.shape)
    residual = np.sqrt(np.nanmean(np.square(observed - mean - explained), axis=0))
    complete = [row for row in observed if np.isfinite(row[:, 0]).sum() >= COMPLETE_NAMES]
    presence = np.mean([np.isfinite(row[:, 0]) for row in complete or observed], axis=0)
    keys = frozenset(worm.digest for worm in worms if worm.digest)
    return ShapeAtlas(names, mean, modes, residual, presence, keys)


def train(data_dir: Path, output: Path) -> None:
    """Fit the atlas to the train worms below `data_dir` and write it."""
    save_shapes(output, fit_shapes(to_anatomical_frame(read_worms(data_dir))))


def _frequent_names(worms: Sequence[LabeledWorm]) -> tuple[str, ...]:
    return tuple(
        name
        for name in all_names(worms)
        if sum(name in worm.names for worm in worms) >= FEWEST_WORMS
    )


def _completed(row: FloatArray, mean: FloatArray) -> FloatArray:
    there = np.isfinite(row[:, 0])
    spline = fit_thin_plate(mean[there], row[there], smoothing=SMOOTHING_UM)
    filled: FloatArray = np.where(there[:, None], row, spline(mean))
    return filled


def save_shapes(path: Path, shapes: ShapeAtlas) -> None:
    """Write the atlas."""
    arrays = {
        "mean_um": shapes.mean_um,
        "modes_um": shapes.modes_um,
        "residual_um": shapes.residual_um,
        "presence": shapes.presence,
    }
    save_weights(
        path,
        {name: array.astype(np.float32) for name, array in arrays.items()},
        kind=KIND,
        version=VERSION,
        about={"names": list(shapes.names)},
        trained_on=shapes.trained_on,
    )


def load_shapes(path: Path = SHIPPED) -> ShapeAtlas:
    """Read an atlas, by default the one that is shipped.

    Raises
    ------
    InputError
        A file that isn't one, is cut short, or is of a newer version.
    """
    read = load_weights(path, kind=KIND, version=VERSION)
    arrays = {name: array.astype(np.float64) for name, array in read.tensors.items()}
    return ShapeAtlas(tuple(read.about["names"]), **arrays, trained_on=read.trained_on)
