"""Training samples: labeled worms carried towards one another, bent, recolored and thinned.

A sample begins as a real train worm in the atlas frame. Every step draws from one generator, so
a seed fixes the stream of samples.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from trackbench.core.color import expanded_color
from trackbench.plugins.identity.features import color_features

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from trackbench.core.geometry import FloatArray
    from trackbench.plugins.identity.bank import Bank, BankWorm

IGNORED: Final = -100
"""Target of a neuron whose name is not known."""

HEAD_LENGTH_UM: Final = 60.0
"""Unit of the bending polynomials along the anterior-posterior axis."""


class AugmentConfig(BaseModel):
    """How far samples stray from the train worms."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    any_pose: float = Field(default=0.3, description="share of samples in any pose")
    mirrored: float = Field(default=0.15, description="share of mirrored samples")
    colorless: float = Field(default=0.25, description="share of samples without color")
    bend_um: float = Field(default=3.0, description="size of the quadratic bend at 60 µm, µm")
    twist: float = Field(default=0.12, description="twist about the long axis, rad per 60 µm")
    scale: float = Field(default=0.08, description="spread of the scale of each axis")
    shear: float = Field(default=0.05, description="spread of the off-diagonal terms")
    jitter_um: float = Field(default=1.2, description="largest independent noise a neuron, µm")
    wave_um: float = Field(default=2.0, description="size of the smooth noise, µm")
    color_noise: float = Field(default=0.25, description="largest multiplicative color noise")
    crosstalk: float = Field(default=0.15, description="largest leak between channels")
    redrawn: float = Field(default=0.6, description="share of samples with redrawn deviations")
    drop: float = Field(default=0.5, description="largest share of dropped neurons")
    spurious: float = Field(default=0.1, description="largest share of added points")


@dataclass(frozen=True, eq=False)
class Sample:
    """One training worm.

    Parameters
    ----------
    zyx_um : ndarray, (n, 3) float32
    color : ndarray, (n, 7) float32
    target : ndarray of int, (n,)
        Index of the name, the number of names for "none", or `IGNORED`.
    pose : ndarray, (2,) float32
        1 where the pose is that of the atlas; 1 where the handedness is.
    """

    zyx_um: NDArray[np.float32]
    color: NDArray[np.float32]
    target: NDArray[np.int64]
    pose: NDArray[np.float32]


class Sampler:
    """Draws samples from a bank.

    Parameters
    ----------
    bank : Bank
    config : AugmentConfig
    generator : numpy.random.Generator
    """

    def __init__(self, bank: Bank, config: AugmentConfig, generator: np.random.Generator) -> None:
        self.bank = bank
        self.config = config
        self.generator = generator
        labels = np.array([np.count_nonzero(worm.index >= 0) for worm in bank.worms])
        self._color_table = np.stack([_by_name(worm) for worm in bank.worms])
        self._weights = np.sqrt(labels) / np.sqrt(labels).sum()

    def draw(self) -> Sample:
        """Draw one sample."""
        worm = self.bank.worms[self.generator.choice(len(self.bank.worms), p=self._weights)]
        zyx = self._smoothed(self._carried(worm), worm)
        color = self._recolored(worm)
        keep = self._kept(worm, zyx)
        zyx, color, index = zyx[keep], color[keep], worm.index[keep]
        zyx, color, index = self._with_spurious(zyx, color, index)
        zyx, right, mirrored = self._posed(zyx)
        pose = np.array([right, not mirrored], dtype=np.float32)
        target = np.full(len(index), IGNORED) if mirrored else np.where(index >= 0, index, IGNORED)
        target[index == SPURIOUS] = IGNORED if mirrored else len(self.bank.names)
        shown = self.generator.random() >= self.config.colorless
        features = color_features(color if shown else None, len(zyx))
        return Sample(zyx.astype(np.float32), features, target, pose)

    def _carried(self, worm: BankWorm) -> FloatArray:
        """Carry the worm towards one or two others, and single neurons to others' places."""
        rng, zyx = self.generator, worm.zyx_um.copy()
        if len(worm.towards) == 0:
            return zyx
        first, second = rng.integers(len(worm.towards), size=2)
        level = rng.integers(worm.fields.shape[1], size=2)
        zyx = zyx + rng.uniform(-0.4, 1.2) * worm.fields[first, level[0]]
        if rng.random() < 0.5:
            zyx = zyx + rng.uniform(-0.4, 0.4) * worm.fields[second, level[1]]
        share = max(0.0, rng.uniform(-0.3, 0.4))
        donor = rng.integers(len(worm.towards), size=len(zyx))
        own = rng.uniform(0.3, 1.0) * worm.residuals[donor, np.arange(len(zyx))]
        moved = (rng.random(len(zyx)) < share) & np.isfinite(own[:, 0])
        zyx[moved] += own[moved]
        return self._redrawn(zyx, worm)

    def _redrawn(self, zyx: FloatArray, worm: BankWorm) -> FloatArray:
        """Exchange part of each neuron's own deviation for a draw from its name's Gaussian."""
        rng = self.generator
        if rng.random() >= self.config.redrawn:
            return zyx
        named = np.flatnonzero(worm.index >= 0)
        kept = rng.random()
        draw = np.einsum(
            "nij,nj->ni", self.bank.scatter[worm.index[named]], rng.standard_normal((len(named), 3))
        )
        zyx[named] += np.sqrt(1.0 - kept**2) * draw - (1.0 - kept) * worm.own[named]
        return zyx

    def _smoothed(self, zyx: FloatArray, worm: BankWorm) -> FloatArray:
        """Bend, twist, scale, shear, and add smooth and independent noise."""
        rng, config = self.generator, self.config
        along = (zyx[:, 2] - 10.0) / HEAD_LENGTH_UM
        angle = config.twist * rng.standard_normal() * along
        cos, sin = np.cos(angle), np.sin(angle)
        turned = np.column_stack(
            [cos * zyx[:, 0] - sin * zyx[:, 1], sin * zyx[:, 0] + cos * zyx[:, 1], zyx[:, 2]]
        )
        bend = config.bend_um * rng.standard_normal((2, 2)) * np.array([1.0, 0.4])
        turned[:, :2] += (bend @ np.vstack([along**2, along**3])).T
        matrix = np.diag(1.0 + config.scale * rng.standard_normal(3))
        matrix = matrix * (1.0 + 0.5 * config.scale * rng.standard_normal())
        matrix += config.shear * rng.standard_normal((3, 3)) * (1.0 - np.eye(3))
        turned = turned @ matrix.T + self._waves(zyx)
        jitter = rng.uniform(0.2, config.jitter_um)
        return turned + jitter * rng.standard_normal(zyx.shape) * rng.uniform(0.6, 1.4, 3)

    def _waves(self, zyx: FloatArray) -> FloatArray:
        """Smooth noise: four random plane waves of 40 to 150 µm."""
        rng, count = self.generator, 4
        direction = rng.standard_normal((count, 3)) * np.array([0.6, 0.6, 1.0])
        direction /= np.linalg.norm(direction, axis=1, keepdims=True)
        direction *= 2.0 * np.pi / rng.uniform(40.0, 150.0, (count, 1))
        size = self.config.wave_um * rng.random() * rng.standard_normal((count, 3)) / np.sqrt(count)
        phase = rng.uniform(0.0, 2.0 * np.pi, count)
        waves: FloatArray = np.sin(zyx @ direction.T + phase) @ size * np.array([0.7, 0.7, 1.0])
        return waves

    def _recolored(self, worm: BankWorm) -> FloatArray:
        """Take the colors of the worm itself, of one other, or of many; then another microscope."""
        rng, config = self.generator, self.config
        color = self._donated(worm)
        leak = config.crosstalk * rng.random((3, 3)) * (1.0 - np.eye(3)) * rng.random()
        color = color @ (np.eye(3) + leak).T
        gamma = np.exp(rng.uniform(-0.35, 0.35, 3))
        color = np.sign(color) * np.abs(color) ** gamma
        spread = rng.uniform(0.02, config.color_noise)
        color = color * np.exp(spread * rng.standard_normal(color.shape))
        noisy: FloatArray = color + rng.uniform(0.0, 0.04) * rng.standard_normal(color.shape)
        return noisy

    def _donated(self, worm: BankWorm) -> FloatArray:
        """Colors of the worm, of one other worm, of many, or drawn from the names' Gaussians."""
        rng, color = self.generator, worm.color.copy()
        mode, count = rng.random(), len(color)
        if mode < OWN_COLOR:
            return color
        changed = (worm.index >= 0) & (rng.random(count) < (1.0 if mode < 0.7 else rng.random()))
        rows = np.flatnonzero(changed)
        index = worm.index[rows]
        if mode < DRAWN_COLOR:
            noise = rng.standard_normal((len(rows), 3)) * rng.uniform(0.5, 1.1)
            drawn = self.bank.color[index] + np.einsum(
                "nij,nj->ni", self.bank.color_scatter[index], noise
            )
            color[rows] = expanded_color(drawn)
            return color
        one = rng.integers(len(self.bank.worms))
        donors = rng.integers(len(self.bank.worms), size=len(rows))
        donors = np.full(len(rows), one) if mode < ONE_DONOR else donors
        source = self._color_table[donors, index]
        found = np.isfinite(source[:, 0])
        color[rows[found]] = source[found]
        return color

    def _kept(self, worm: BankWorm, zyx: FloatArray) -> NDArray[np.intp]:
        """Choose the neurons that stay: thinned, cropped, or as another worm is labeled."""
        rng, count = self.generator, len(zyx)
        keep = np.ones(count, dtype=bool)
        if rng.random() < 0.45:
            other = self.bank.worms[rng.integers(len(self.bank.worms))]
            absent = (worm.index >= 0) & (other.rows[worm.index] < 0)
            keep &= ~absent | (rng.random(count) < rng.choice([0.0, 0.3, 1.0]))
        if rng.random() < 0.5:
            keep &= rng.random(count) >= self.config.drop * rng.random()
        if rng.random() < 0.25:
            front, back = np.quantile(zyx[:, 2], [0.35 * rng.random(), 1.0 - 0.5 * rng.random()])
            keep &= (zyx[:, 2] >= front) & (zyx[:, 2] <= back)
        kept = np.flatnonzero(keep)
        return kept if len(kept) >= FEWEST_POINTS else np.arange(count)

    def _with_spurious(
        self, zyx: FloatArray, color: FloatArray, index: NDArray[np.int64]
    ) -> tuple[FloatArray, FloatArray, NDArray[np.int64]]:
        """Add points that are no neuron, each somewhere between two that are."""
        rng, count = self.generator, len(zyx)
        added = int(count * max(0.0, rng.uniform(-1.0, 1.0)) * self.config.spurious)
        if added == 0:
            return zyx, color, index
        pair = rng.integers(count, size=(2, added))
        near = zyx[pair[0]] + 0.3 * rng.random((added, 1)) * (zyx[pair[1]] - zyx[pair[0]])
        near += 4.0 * rng.standard_normal(near.shape)
        tint = 0.5 * (color[pair[0]] + color[pair[1]]) * rng.random((added, 1))
        marks = np.full(added, SPURIOUS)
        return np.vstack([zyx, near]), np.vstack([color, tint]), np.concatenate([index, marks])

    def _posed(self, zyx: FloatArray) -> tuple[FloatArray, bool, bool]:
        """Bring the sample into a pose: near the atlas, any, or mirrored.

        Returns
        -------
        positions, whether the pose is right, whether the sample is mirrored.
        """
        rng, config = self.generator, self.config
        middle = np.median(zyx, axis=0)
        kind = rng.random()
        limit = 0.5 if rng.random() < 0.5 else 0.15
        roll, flip = rng.uniform(-limit, limit), False
        mirror = config.any_pose <= kind < config.any_pose + config.mirrored
        if kind < config.any_pose or (mirror and rng.random() < 0.4):
            roll, flip = rng.uniform(-np.pi, np.pi), rng.random() < 0.5
        centred = (zyx - middle) @ _turn(roll, rng.normal(0.0, 0.07, 2), flip, mirror).T
        right = abs(roll) < 0.5 and not flip
        anchor = middle if right and rng.random() < 0.5 else np.zeros(3)
        shift = rng.standard_normal(3) * np.array([1.5, 1.5, 5.0])
        return centred + anchor + shift, right, mirror


def _by_name(worm: BankWorm) -> FloatArray:
    """Colors of a worm by name, (name_count, 3), NaN where it lacks the name."""
    table = np.full((len(worm.rows), 3), np.nan)
    has = worm.rows >= 0
    table[has] = worm.color[worm.rows[has]]
    return table


OWN_COLOR: Final = 0.15
DRAWN_COLOR: Final = 0.5
ONE_DONOR: Final = 0.75
"""Cumulated shares of the ways in which a sample gets its colors; the rest mixes donors."""

SPURIOUS: Final = -2
FEWEST_POINTS: Final = 12


def _turn(roll: float, tilt: FloatArray, flip: bool, mirror: bool) -> FloatArray:
    """Rotation about the long axis, a small tilt, head to tail, and left to right."""
    cos, sin = np.cos(roll), np.sin(roll)
    about = np.array([[cos, -sin, 0.0], [sin, cos, 0.0], [0.0, 0.0, 1.0]])
    lean = np.eye(3)
    lean[0, 2], lean[2, 0] = tilt[0], -tilt[0]
    lean[1, 2], lean[2, 1] = tilt[1], -tilt[1]
    if flip:
        about = np.diag([-1.0, 1.0, -1.0]) @ about
    if mirror:
        about = about @ np.diag([-1.0, 1.0, 1.0])
    turn: FloatArray = lean @ about
    return turn
