"""From what the pose network says to rotations: one look, or four that must agree."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from trackbench.plugins.fdnc.posenet import ROLL_BINS

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Floats = NDArray[np.float32]
    Looks = Callable[[Floats, NDArray[np.bool_]], tuple[Floats, Floats]]

__all__ = ["Poses", "agreed_poses", "best_pose", "pose_matrix", "sure_poses"]

PROPER_SIGNS: Final = np.array(
    [(1.0, 1.0, 1.0), (-1.0, 1.0, -1.0), (-1.0, -1.0, 1.0), (1.0, -1.0, -1.0)], dtype=np.float32
)
AGREEMENT_COSINE: Final = 0.87
"""Of 30 degrees."""

SURE: Final = 0.7
"""Probability of the best class and its two neighbours on either side, from which one look at a
cloud is enough."""

CENTRES: Final = (np.arange(ROLL_BINS) + 0.5) * (2 * np.pi / ROLL_BINS) - np.pi


@dataclass(frozen=True, eq=False)
class Poses:
    """Poses of some clouds.

    Parameters
    ----------
    matrices : (b, 3, 3) array of float32
        To the anatomical frame: `points @ matrix`.
    others : tuple of b arrays (k, 3, 3) of float32
        Other poses that a cloud may have; none where the pose is sure.
    """

    matrices: Floats
    others: tuple[Floats, ...]


def sure_poses(look: Looks, zyx_um: Floats, mask: NDArray[np.bool_]) -> Poses:
    """Give the poses that the network is sure of; where it isn't, see `agreed_poses`.

    Parameters and returns are those of `agreed_poses`; a pose found at one look counts as sure.
    """
    slope, logits = look(zyx_um, mask)
    probability = _probabilities(logits)
    matrices = _best(slope, probability)
    others = [matrices[:0]] * len(matrices)
    unsure = np.flatnonzero(_certainty(probability) <= SURE)
    if len(unsure):
        agreed = agreed_poses(look, zyx_um[unsure], mask[unsure])
        matrices[unsure] = agreed.matrices
        for row, different in zip(unsure, agreed.others, strict=True):
            others[row] = different
    return Poses(matrices, tuple(others))


def agreed_poses(look: Looks, zyx_um: Floats, mask: NDArray[np.bool_]) -> Poses:
    """Give the poses on which the four proper choices of the axes' signs agree.

    The signs of principal axes are arbitrary, the network's errors depend on them. The guess
    nearest to all others is averaged with those that are close to it; the rest are others.

    Parameters
    ----------
    look : callable
        The pose network: points and mask to slope (b, 2) and logits (b, 2, ROLL_BINS).
    zyx_um : (b, n, 3) array of float32
        In their principal axes.
    mask : (b, n) array of bool
    """
    count = len(PROPER_SIGNS)
    flipped = (zyx_um * PROPER_SIGNS[:, None, None]).reshape(-1, *zyx_um.shape[1:])
    matrices = best_pose(*look(flipped, np.tile(mask, (count, 1))))
    guesses = PROPER_SIGNS[:, None, :, None] * matrices.reshape(count, -1, 3, 3)
    alike = np.einsum("ahij,bhij->hab", guesses, guesses)
    chosen = alike.sum(axis=-1).argmax(axis=1)
    near = alike[np.arange(len(chosen)), chosen] > 1 + 2 * AGREEMENT_COSINE
    mean = np.einsum("ha,ahij->hij", near.astype(np.float32), guesses)
    left, _, right = np.linalg.svd(mean)
    others = tuple(guesses[~near[i], i] for i in range(len(near)))
    return Poses((left @ right).astype(np.float32), others)


def best_pose(slope: Floats, logits: Floats) -> Floats:
    """Give the most probable pose: matrices (b, 3, 3) from principal axes to the anatomical frame.

    The class whose probability, with those of its two neighbours in roll, is largest; its roll
    is the circular mean over the three.

    Parameters
    ----------
    slope : (b, 2) array
    logits : (b, 2, ROLL_BINS) array
        See `posenet.PoseGuess`.
    """
    return _best(slope, _probabilities(logits))


def _best(slope: Floats, probability: Floats) -> Floats:
    three = np.stack([np.roll(probability, 1, -1), probability, np.roll(probability, -1, -1)])
    best = three.sum(axis=0).reshape(len(slope), -1).argmax(axis=1)
    backwards, bin_ = np.divmod(best, ROLL_BINS)
    own = three[:, np.arange(len(slope)), backwards, bin_]
    centre = CENTRES[(bin_ + np.array([[-1], [0], [1]])) % ROLL_BINS]
    roll = np.arctan2((own * np.sin(centre)).sum(axis=0), (own * np.cos(centre)).sum(axis=0))
    return pose_matrix(slope, backwards, roll)


def pose_matrix(slope: Floats, backwards: NDArray[np.intp], roll: NDArray[np.floating]) -> Floats:
    """Invert `posenet.true_pose`: matrices (b, 3, 3); `points @ matrix` is the anatomical frame.

    Parameters
    ----------
    slope : (b, 2) array
    backwards, roll : (b,) arrays
    """
    long_axis = np.hstack([slope, np.ones((len(slope), 1))])
    long_axis *= (np.where(backwards, -1.0, 1.0) / np.linalg.norm(long_axis, axis=1))[:, None]
    upright = np.array([0.0, 1.0, 0.0])
    first = upright - long_axis * long_axis[:, 1:2]
    first /= np.linalg.norm(first, axis=1, keepdims=True)
    second = np.cross(first, long_axis)
    ventral = np.cos(roll)[:, None] * first + np.sin(roll)[:, None] * second
    matrices = np.stack([np.cross(ventral, long_axis), ventral, long_axis], axis=-1)
    return matrices.astype(np.float32)


def _probabilities(logits: Floats) -> Floats:
    power: Floats = np.exp(logits - logits.max(axis=(1, 2), keepdims=True))
    result: Floats = power / power.sum(axis=(1, 2), keepdims=True)
    return result


def _certainty(probability: Floats) -> Floats:
    five = sum(np.roll(probability, shift, -1) for shift in range(-2, 3))
    largest: Floats = np.asarray(five).max(axis=(1, 2))
    return largest
