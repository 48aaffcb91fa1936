"""From what the pose network says to rotations: one look, or four that must agree."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from trackbench.plugins.fdnc.posenet import ROLL_BINS

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Floats = NDArray[np.float32]
    Vectors = NDArray[np.float64]
    Looks = Callable[[Floats, NDArray[np.bool_]], tuple[Floats, Floats]]

__all__ = ["agreed_poses", "best_pose", "pose_matrix", "sure_poses"]

PROPER_SIGNS: Final = np.array(
    [(1.0, 1.0, 1.0), (-1.0, 1.0, -1.0), (-1.0, -1.0, 1.0), (1.0, -1.0, -1.0)], dtype=np.float32
)
AGREEMENT_COSINE: Final = 0.87
"""Of 30 degrees."""

SURE: Final = 0.7
"""Probability of the best class and its two neighbours on either side, from which one look at a
cloud is enough."""

CENTRES: Final = (np.arange(ROLL_BINS) + 0.5) * (2 * np.pi / ROLL_BINS) - np.pi
SINES: Final = np.sin(CENTRES)
COSINES: Final = np.cos(CENTRES)
AROUND: Final = np.array([[-1], [0], [1]])

UPRIGHT: Final = np.array([[0.0], [1.0], [0.0]])
NEXT: Final = np.array([1, 2, 0])
LAST: Final = np.array([2, 0, 1])


def sure_poses(look: Looks, zyx_um: Floats, mask: NDArray[np.bool_]) -> Floats:
    """Give the poses that the network is sure of; where it isn't, see `agreed_poses`.

    Parameters and returns are those of `agreed_poses`.
    """
    slope, logits = look(zyx_um, mask)
    probability = _probabilities(logits)
    matrices = _best(slope, probability)
    unsure = np.flatnonzero(_certainty(probability) <= SURE)
    if len(unsure):
        matrices[unsure] = agreed_poses(look, zyx_um[unsure], mask[unsure])
    return matrices


def agreed_poses(look: Looks, zyx_um: Floats, mask: NDArray[np.bool_]) -> Floats:
    """Give the poses on which the four proper choices of the axes' signs agree.

    The signs of principal axes are arbitrary, the network's errors depend on them. The guess
    nearest to all others is averaged with those that are close to it.

    Parameters
    ----------
    look : callable
        The pose network: points and mask to slope (b, 2) and logits (b, 2, ROLL_BINS).
    zyx_um : (b, n, 3) array of float32
        In their principal axes.
    mask : (b, n) array of bool

    Returns
    -------
    (b, 3, 3) array of float32
        To the anatomical frame: `points @ matrix`.
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
    agreed: Floats = (left @ right).astype(np.float32)
    return agreed


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
    three = _of_neighbours(probability, 1)
    best = three.reshape(len(slope), -1).argmax(axis=1)
    backwards, bin_ = np.divmod(best, ROLL_BINS)
    near = (bin_ + AROUND) % ROLL_BINS
    own = probability[np.arange(len(slope)), backwards, near]
    roll = np.arctan2((own * SINES[near]).sum(axis=0), (own * COSINES[near]).sum(axis=0))
    return pose_matrix(slope, backwards, roll)


def pose_matrix(slope: Floats, backwards: NDArray[np.intp], roll: NDArray[np.floating]) -> Floats:
    """Invert `posenet.true_pose`: matrices (b, 3, 3); `points @ matrix` is the anatomical frame.

    Parameters
    ----------
    slope : (b, 2) array
    backwards, roll : (b,) arrays
    """
    z, y = slope.T.astype(np.float64)
    long_axis = np.stack([z, y, np.ones_like(z)]) * np.where(backwards, -1.0, 1.0)
    long_axis /= np.sqrt(_dot(long_axis, long_axis))
    first = UPRIGHT - long_axis * long_axis[1]
    first /= np.sqrt(_dot(first, first))
    second = _cross(first, long_axis)
    ventral = np.cos(roll) * first + np.sin(roll) * second
    matrices = np.stack([_cross(ventral, long_axis), ventral, long_axis], axis=-1)
    return matrices.transpose(1, 0, 2).astype(np.float32, order="C")


def _dot(a: Vectors, b: Vectors) -> Vectors:
    product: Vectors = a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
    return product


def _cross(a: Vectors, b: Vectors) -> Vectors:
    """Multiply (3, n) and (3, n): of few vectors, numpy's own takes ten times as long."""
    product: Vectors = a[NEXT] * b[LAST] - a[LAST] * b[NEXT]
    return product


def _probabilities(logits: Floats) -> Floats:
    power: Floats = np.exp(logits - logits.max(axis=(1, 2), keepdims=True))
    result: Floats = power / power.sum(axis=(1, 2), keepdims=True)
    return result


def _certainty(probability: Floats) -> Floats:
    largest: Floats = _of_neighbours(probability, 2).max(axis=(1, 2))
    return largest


def _of_neighbours(probability: Floats, reach: int) -> Floats:
    """Add to each class so many neighbours in roll on either side, (b, 2, ROLL_BINS)."""
    ends = probability[..., -reach:], probability[..., :reach]
    around = np.concatenate([ends[0], probability, ends[1]], axis=-1)
    shifts = (around[..., i : i + ROLL_BINS] for i in range(2 * reach + 1))
    return np.asarray(sum(shifts))
