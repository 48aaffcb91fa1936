"""From raw points to tables over names: pose search, color correction, averaging, handedness.

Handedness is taken as given, or both are tried and judged by the networks' handedness outputs
and by what is asymmetric in a head (`asymmetry`), never by how well positions fit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from trackbench.plugins.identity.features import corrected_features
from trackbench.plugins.identity.search import Pose, SearchConfig, find_poses, predict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from trackbench.core.geometry import FloatArray
    from trackbench.plugins.identity.network import IdentityNetwork


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
    """What the networks say of one worm under one handedness.

    Parameters
    ----------
    log_p : ndarray, (n, k + 1)
        Row-normalised log-probabilities, last column = none.
    zyx_um : ndarray, (n, 3)
        Near the atlas.
    mirrored : bool
    handedness : float
        Logit that this handedness is the worm's, mean over the networks.
    """

    log_p: FloatArray
    zyx_um: FloatArray
    mirrored: bool
    handedness: float


def read_worm(
    networks: Sequence[IdentityNetwork],
    atlas: NameAtlas,
    zyx_um: FloatArray,
    color: NDArray[np.float32],
    *,
    mirrored: bool | None,
    config: SearchConfig,
) -> tuple[Reading, ...]:
    """Find pose and names of one worm.

    Parameters
    ----------
    networks : sequence of IdentityNetwork
        The first finds the pose, the tables of all are averaged.
    atlas : NameAtlas
    zyx_um : ndarray, (n, 3)
        As recorded.
    color : ndarray, (n, 7)
        As `features.color_features` gives it.
    mirrored : bool or None
        Handedness of the recording, None where it is not known.
    config : SearchConfig

    Returns
    -------
    tuple of Reading
        One where the handedness is given, else one for each.
    """
    poses = find_poses(networks[0], atlas.means, zyx_um, color, mirrored=mirrored, config=config)
    return tuple(_read(networks, atlas, pose, color) for pose in poses)


def _read(
    networks: Sequence[IdentityNetwork],
    atlas: NameAtlas,
    pose: Pose,
    color: NDArray[np.float32],
) -> Reading:
    """Average what all networks say, with the colors corrected by the names that the pose gives."""
    if color[:, -1].any():
        color = corrected_features(color, pose.log_p, atlas.colors)
    views = [predict(network, pose.zyx_um[None], color) for network in networks]
    mean = np.log(np.mean([np.exp(view.log_p[0]) for view in views], axis=0))
    handedness = float(np.mean([view.handedness[0] for view in views]))
    return Reading(mean, pose.zyx_um, pose.mirrored, handedness)
