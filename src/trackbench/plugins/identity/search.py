"""Brings a worm into the atlas frame: rotation, roll and head direction are found, names too.

All starting poses are judged on a share of the neurons, which costs a fraction; the best few are
refined on all. Where the handedness isn't known, the mirror images of those few are refined
beside them: a head is nearly symmetric, so a pose that fits is a good start on both sides.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field

from trackbench.core.geometry import AffineMap, FloatArray, fit_affine, fit_rigid, pose_starts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from trackbench.plugins.identity.network import IdentityNetwork

MIRROR: Final = np.array([-1.0, 1.0, 1.0])
"""Left to right in the order z, y, x."""

ROBUST_UM2: Final = 64.0
"""Squared distance at which a neuron's say in the fit is halved."""


class SearchConfig(BaseModel):
    """How much work goes into the pose."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    rolls: int = Field(default=6, description="rolls tried about the long axis")
    screened: int = Field(default=64, ge=4, description="neurons on which start poses are judged")
    kept: int = Field(default=3, description="poses that are refined")
    rounds: int = Field(default=3, ge=1, description="rounds of {predict, fit to the atlas}")
    ridge_um2: float = Field(default=8.0, description="pull of the affine fit to a rigid one, µm²")
    stretch: float = Field(default=1.3, description="largest stretch or shrinkage of an axis")
    name_score: float = Field(
        default=2.0, description="weight of the mean log-probability of the best names in a pose"
    )


@dataclass(frozen=True, eq=False)
class Pose:
    """A worm in the atlas frame under one handedness.

    Parameters
    ----------
    zyx_um : ndarray, (n, 3)
    log_p : ndarray, (n, k + 1)
        What the network says of it there.
    mirrored : bool
    """

    zyx_um: FloatArray
    log_p: FloatArray
    mirrored: bool


@dataclass(frozen=True, eq=False)
class Views:
    """What a network says of one worm in p poses.

    Parameters
    ----------
    log_p : ndarray, (p, n, k + 1)
    pose, handedness : ndarray, (p,)
        Logits that they are those of the atlas.
    """

    log_p: FloatArray
    pose: FloatArray
    handedness: FloatArray

    def score(self, config: SearchConfig) -> FloatArray:
        """Judge the poses, (p,): the pose output and how sure the names are."""
        certainty = self.log_p.max(axis=2).mean(axis=1)
        score: FloatArray = config.name_score * certainty - np.logaddexp(0.0, -self.pose)
        return score


def predict(network: IdentityNetwork, poses: FloatArray, color: NDArray[np.float32]) -> Views:
    """Read one worm in several poses.

    Parameters
    ----------
    network : IdentityNetwork
    poses : ndarray, (p, n, 3)
    color : ndarray, (n, 7)
    """
    points = torch.from_numpy(poses.astype(np.float32))
    colors = torch.from_numpy(color).expand(len(poses), -1, -1)
    mask = torch.ones(points.shape[:2], dtype=torch.bool)
    with torch.inference_mode():
        logits, judged = network(points, colors, mask)
        log_p = torch.log_softmax(logits, dim=-1)
    pose, handedness = judged.double().numpy().T
    return Views(log_p.double().numpy(), pose, handedness)


def find_poses(
    network: IdentityNetwork,
    means: FloatArray,
    zyx_um: FloatArray,
    color: NDArray[np.float32],
    *,
    mirrored: bool | None,
    config: SearchConfig,
) -> list[Pose]:
    """Find the pose under the given handedness, or under both where it is None.

    Parameters
    ----------
    network : IdentityNetwork
    means : ndarray, (k, 3)
        Places of the names in the atlas, µm.
    zyx_um : ndarray, (n, 3)
        As recorded.
    color : ndarray, (n, 7)
    mirrored : bool or None
    config : SearchConfig
    """
    screened = _screened(network, means, zyx_um * MIRROR if mirrored else zyx_um, color, config)
    sides = [screened] if mirrored is not None else [screened, [p * MIRROR for p in screened]]
    hands = [bool(mirrored), True][: len(sides)]
    for turn in range(1, config.rounds):
        views = [(side, _views(network, side, color)) for side in sides]
        kept = max(1, config.kept >> turn)
        sides = [
            [
                _fit(side[i], view.log_p[i], means, config)(side[i])
                for i in _best(view.score(config), kept)
            ]
            for side, view in views
        ]
    return [
        _surest(side, _views(network, side, color), hand, config)
        for side, hand in zip(sides, hands, strict=True)
    ]


def _screened(
    network: IdentityNetwork,
    means: FloatArray,
    zyx_um: FloatArray,
    color: NDArray[np.float32],
    config: SearchConfig,
) -> list[FloatArray]:
    """Judge all start poses on neurons spread along the worm; fit the best to the atlas."""
    poses = pose_starts(zyx_um, config.rolls)
    along = np.argsort(poses[0, :, 2], kind="stable")
    count = min(config.screened, len(along))
    some = along[np.linspace(0, len(along) - 1, count).round().astype(int)]
    views = predict(network, poses[:, some], color[some])
    return [
        _fit(poses[i][some], views.log_p[i], means, config)(poses[i])
        for i in _best(views.score(config), config.kept)
    ]


def _views(
    network: IdentityNetwork, poses: Sequence[FloatArray], color: NDArray[np.float32]
) -> Views:
    return predict(network, np.stack(poses), color)


def _best(score: FloatArray, count: int) -> NDArray[np.intp]:
    return np.argsort(-score, kind="stable")[:count]


def _surest(
    poses: Sequence[FloatArray], views: Views, mirrored: bool, config: SearchConfig
) -> Pose:
    best = int(np.argmax(views.score(config)))
    return Pose(poses[best], views.log_p[best], mirrored)


def _fit(
    points: FloatArray, log_p: FloatArray, means: FloatArray, config: SearchConfig
) -> AffineMap:
    """Bring points to the atlas by a robust affine fit on the predicted names."""
    p = np.exp(log_p[:, :-1])
    target = p @ means / np.maximum(p.sum(axis=1, keepdims=True), 1e-9)
    sure = p.max(axis=1) ** 2 + 1e-6
    found = fit_rigid(points, target, sure)
    for _ in range(3):
        far = np.square(found(points) - target).sum(axis=1)
        weights = sure / (1.0 + far / ROBUST_UM2)
        fit = fit_affine(points, target, weights, ridge=config.ridge_um2)
        u, stretch, vt = np.linalg.svd(fit.matrix)
        matrix = (u * np.clip(stretch, 1.0 / config.stretch, config.stretch)) @ vt
        centre = weights @ points / weights.sum()
        found = AffineMap(matrix, fit(centre) - matrix @ centre)
    return found
