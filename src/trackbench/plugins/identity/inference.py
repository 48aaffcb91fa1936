"""From raw points to a table over names: pose search, refinement, color correction, averaging.

Rotation, roll and head direction are found here; handedness is taken as given, or both are tried
and judged by the network's handedness output and how sure it is of names (colors and the few
asymmetric neurons tell it), never by how well positions fit.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field

from trackbench.core.geometry import FloatArray, fit_affine, fit_rigid, pose_starts
from trackbench.plugins.identity.features import corrected_features

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from trackbench.plugins.identity.network import IdentityNetwork

MIRROR: Final = np.array([-1.0, 1.0, 1.0])
"""Left to right in the order z, y, x."""


class SearchConfig(BaseModel):
    """How much work goes into pose and averaging."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    rolls: int = Field(default=6, description="rolls tried about the long axis")
    kept: int = Field(default=3, description="poses that are refined")
    rounds: int = Field(default=3, description="rounds of {predict, fit to the atlas}")
    ridge_um2: float = Field(default=8.0, description="pull of the affine fit to a rigid one, µm²")
    stretch: float = Field(default=1.3, description="largest stretch or shrinkage of an axis")
    name_score: float = Field(
        default=2.0, description="weight of the mean log-probability of the best names in a pose"
    )
    hand_score: float = Field(
        default=1.0,
        description="weight of the log-probability of all best names in the choice of handedness",
    )


@dataclass(frozen=True, eq=False)
class NameAtlas:
    """What the reading knows of names beside the networks.

    Parameters
    ----------
    means : ndarray, (k, 3)
        Positions, µm.
    colors : ndarray, (k, 3)
        Compressed colors.
    """

    means: FloatArray
    colors: FloatArray


@dataclass(frozen=True, eq=False)
class Reading:
    """What the networks say of one worm.

    Parameters
    ----------
    log_p : ndarray, (n, k + 1)
        Row-normalised log-probabilities, last column = none.
    zyx_um : ndarray, (n, 3)
        The points as brought into the atlas frame.
    mirrored : bool
        Handedness that was taken or chosen.
    """

    log_p: FloatArray
    zyx_um: FloatArray
    mirrored: bool


def read_worm(
    networks: Sequence[IdentityNetwork],
    atlas: NameAtlas,
    zyx_um: FloatArray,
    color: NDArray[np.float32],
    *,
    mirrored: bool | None,
    config: SearchConfig,
) -> Reading:
    """Find pose and names of one worm.

    Parameters
    ----------
    networks : sequence of IdentityNetwork
        The first finds pose and handedness, the tables of all are averaged.
    atlas : NameAtlas
    zyx_um : ndarray, (n, 3)
        As recorded.
    color : ndarray, (n, 7)
        As `features.color_features` gives it.
    mirrored : bool or None
        Handedness of the recording, None where it is not known.
    config : SearchConfig
    """
    hands = (False, True) if mirrored is None else (mirrored,)
    found = [
        _search(networks[0], atlas.means, zyx_um, color, mirrored=hand, config=config)
        for hand in hands
    ]
    if color[:, -1].any():
        found = [_recolored(networks[0], pose, atlas.colors, config) for pose in found]
    best = max(found, key=lambda pose: pose.handedness)
    views = [_predict(net, best.zyx_um[None], best.color, config) for net in networks]
    mean = np.log(np.mean(np.exp(np.concatenate([view.log_p for view in views])), axis=0))
    return Reading(mean, best.zyx_um, best.mirrored)


@dataclass(frozen=True, eq=False)
class _Pose:
    """The best pose under one handedness."""

    zyx_um: FloatArray
    color: NDArray[np.float32]
    log_p: FloatArray
    mirrored: bool
    handedness: float


@dataclass(frozen=True, eq=False)
class _Views:
    """What a network says of one worm in several poses: (p, n, k + 1), (p,), (p,)."""

    log_p: FloatArray
    score: FloatArray
    handedness: FloatArray


def _search(
    network: IdentityNetwork,
    means: FloatArray,
    zyx_um: FloatArray,
    color: NDArray[np.float32],
    *,
    mirrored: bool,
    config: SearchConfig,
) -> _Pose:
    """Find the pose under one handedness: all start poses, then fewer and fewer, refined."""
    poses = pose_starts(zyx_um * MIRROR if mirrored else zyx_um, config.rolls)
    views = _predict(network, poses, color, config)
    for turn in range(config.rounds):
        kept = np.argsort(-views.score, kind="stable")[: max(1, config.kept >> turn)]
        poses = np.stack([_fitted(poses[i], views.log_p[i], means, config) for i in kept])
        views = _predict(network, poses, color, config)
    best = int(np.argmax(views.score))
    return _Pose(poses[best], color, views.log_p[best], mirrored, float(views.handedness[best]))


def _recolored(
    network: IdentityNetwork, pose: _Pose, name_colors: FloatArray, config: SearchConfig
) -> _Pose:
    """Correct the colors by the names that the pose gives, and judge the handedness again."""
    color = corrected_features(pose.color, pose.log_p, name_colors)
    views = _predict(network, pose.zyx_um[None], color, config)
    return replace(pose, color=color, handedness=float(views.handedness[0]))


def _predict(
    network: IdentityNetwork,
    poses: FloatArray,
    color: NDArray[np.float32],
    config: SearchConfig,
) -> _Views:
    points = torch.from_numpy(poses.astype(np.float32))
    colors = torch.from_numpy(color).expand(len(poses), -1, -1)
    mask = torch.ones(points.shape[:2], dtype=torch.bool)
    with torch.inference_mode():
        logits, pose = network(points, colors, mask)
        log_p = torch.log_softmax(logits, dim=-1)
        certainty = log_p.max(dim=-1).values.mean(dim=1)
        score = torch.nn.functional.logsigmoid(pose[:, 0]) + config.name_score * certainty
        handedness = pose[:, 1] + config.hand_score * len(color) * certainty
    return _Views(*(item.double().numpy() for item in (log_p, score, handedness)))


def _fitted(
    points: FloatArray, log_p: FloatArray, means: FloatArray, config: SearchConfig
) -> FloatArray:
    """Bring points to the atlas by a robust affine fit on the predicted names."""
    p = np.exp(log_p[:, :-1])
    target = p @ means / np.maximum(p.sum(axis=1, keepdims=True), 1e-9)
    sure = p.max(axis=1) ** 2 + 1e-6
    moved = fit_rigid(points, target, sure)(points)
    for _ in range(3):
        far = np.square(moved - target).sum(axis=1)
        weights = sure / (1.0 + far / ROBUST_UM2)
        fit = fit_affine(points, target, weights, ridge=config.ridge_um2)
        u, stretch, vt = np.linalg.svd(fit.matrix)
        matrix = (u * np.clip(stretch, 1.0 / config.stretch, config.stretch)) @ vt
        centre = weights @ points / weights.sum()
        moved = (points - centre) @ matrix.T + fit(centre)
    return moved


ROBUST_UM2: Final = 64.0
"""Squared distance at which a neuron's say in the fit is halved."""
