"""Rigid registration of many poses at once: expectation maximisation with annealed width."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from trackbench.plugins.cpd.estep import Mixture, Problems, respond

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from trackbench.plugins.cpd.estep import FloatArray

__all__ = ["Poses", "fit_poses", "rotate_onto"]

SAME_TRACE = 1 + 2 * np.cos(np.radians(15))
"""Trace of the turn from one pose to another, below 15 degrees."""

SAME_UM = 5.0


@dataclass(frozen=True, eq=False)
class Poses:
    """Rigid maps `x -> rotation @ x + shift`.

    Parameters
    ----------
    rotation : (b, 3, 3) array of float32
    shift : (b, 3) array of float32
        In µm.
    """

    rotation: FloatArray
    shift: FloatArray

    @classmethod
    def turned(cls, rotation: NDArray[np.floating[Any]]) -> Poses:
        """Make poses that turn by `rotation` (b, 3, 3) and don't shift."""
        count = len(rotation)
        return cls(rotation.astype(np.float32), np.zeros((count, 3), dtype=np.float32))

    def take(self, index: NDArray[np.intp]) -> Poses:
        """Give the poses at `index`."""
        return Poses(self.rotation[index], self.shift[index])

    def repeats(self, count: int) -> NDArray[np.bool_]:
        """Say which poses repeat an earlier one of the same test.

        Parameters
        ----------
        count : int
            Number of tests; each has equally many poses, one test after another.

        Returns
        -------
        (b,) array of bool
        """
        turn = self.rotation.reshape(count, -1, 9)
        alike = np.matmul(turn, turn.transpose(0, 2, 1)) > SAME_TRACE
        shift = self.shift.reshape(count, -1, 3)
        apart = np.square(shift[:, :, None] - shift[:, None]).sum(axis=3)
        same = np.tril(alike & (apart < SAME_UM**2), k=-1)
        found: NDArray[np.bool_] = same.any(axis=2).ravel()
        return found

    def __call__(self, points: FloatArray) -> FloatArray:
        """Map points (b, m, 3)."""
        moved: FloatArray = np.matmul(points, self.rotation.transpose(0, 2, 1))
        moved += self.shift[:, None]
        return moved


def fit_poses(
    problems: Problems,
    template: FloatArray,
    poses: Poses,
    sigmas: Iterable[float],
    mixture: Mixture,
) -> Poses:
    """Run one iteration a width, from wide to narrow.

    The width is prescribed rather than estimated (deterministic annealing, Rose 1998): all
    poses of a test are seen at one width, so that their likelihoods can be compared.

    Parameters
    ----------
    problems : Problems
    template : (n, 3) array of float32
        Centred, in µm.
    poses : Poses
        One a problem.
    sigmas : iterable of float
        Widths in µm.
    mixture : Mixture
    """
    for sigma in sigmas:
        posed = Problems(poses(problems.points), problems.mask)
        found = respond(posed, template[None], sigma, mixture)
        weight, pulled = found.moments(problems.points)
        poses = Poses(*rotate_onto(template, weight, pulled))
    return poses


def rotate_onto(
    template: FloatArray, weight: FloatArray, pulled: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Solve for the rotations and shifts of the maximisation step.

    Myronenko and Song 2010, figure 2 (their Kabsch step, determinant +1), scale fixed at 1.

    Parameters
    ----------
    template : (n, 3) array
    weight, pulled : (b, n), (b, n, 3) arrays
        From `Responsibility.moments` of the points as they were before the map.

    Returns
    -------
    rotation, shift : (b, 3, 3), (b, 3) arrays
    """
    mass = np.maximum(weight.sum(axis=1), 1e-6)[:, None]
    test_mean = pulled.sum(axis=1) / mass
    template_mean = np.matmul(weight[:, None], template)[:, 0] / mass
    cross = np.matmul(template.T, pulled)
    cross -= mass[:, :, None] * template_mean[:, :, None] * test_mean[:, None, :]
    u, _, vt = np.linalg.svd(cross)
    u[:, :, 2] *= np.sign(np.linalg.det(np.matmul(u, vt)))[:, None]
    rotation = np.matmul(u, vt)
    shift = template_mean - np.matmul(rotation, test_mean[:, :, None])[:, :, 0]
    return rotation, shift
