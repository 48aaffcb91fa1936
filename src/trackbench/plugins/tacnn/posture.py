"""Posture space of a recording: which frames are unlike all labelled ones, and which are near.

Principal components of down-sampled z-maximum projections; Park et al. 2023 use an autoencoder
with UMAP for the same two questions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
from scipy.spatial.distance import cdist

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    FloatArray = NDArray[np.floating[Any]]

__all__ = ["choose_targets", "nearest_labelled", "posture_space", "silhouette"]

BLOCK: Final = 4
COMPONENTS: Final = 8
CANDIDATES: Final = 3
"""So many of the nearest labelled frames are tried as a target's parent."""


def silhouette(image: NDArray[np.float32]) -> NDArray[np.float32]:
    """Describe a frame (c, z, y, x): the z-maximum of its first channel in 4 x 4 blocks, flat."""
    flat = image[0].max(axis=0)
    rows, columns = (n // BLOCK * BLOCK for n in flat.shape)
    blocks = flat[:rows, :columns].reshape(rows // BLOCK, BLOCK, columns // BLOCK, BLOCK)
    flattened: NDArray[np.float32] = blocks.mean(axis=(1, 3)).reshape(-1)
    return flattened


def posture_space(silhouettes: FloatArray, components: int = COMPONENTS) -> FloatArray:
    """Give each frame (t, pixels) its place (t, at most `components`) in posture space."""
    centred = silhouettes - silhouettes.mean(axis=0)
    left, singular, _ = np.linalg.svd(centred, full_matrices=False)
    places: FloatArray = left[:, :components] * singular[:components]
    return places


def choose_targets(places: FloatArray, labelled: Sequence[int], count: int) -> list[int]:
    """Choose frames by farthest-first traversal (Gonzalez 1985) from the labelled ones.

    Parameters
    ----------
    places : (t, d) array
    labelled : sequence of int
    count : int

    Returns
    -------
    list of int
        Each the frame that is farthest from all labelled and all chosen before; fewer than
        `count` where no other frames are left.
    """
    distance = cdist(places, places[list(labelled)]).min(axis=1)
    distance[list(labelled)] = -1.0
    chosen: list[int] = []
    while len(chosen) < count and distance.max() >= 0:
        frame = int(distance.argmax())
        chosen.append(frame)
        distance = np.minimum(distance, cdist(places, places[[frame]])[:, 0])
        distance[[*labelled, *chosen]] = -1.0
    return chosen


def nearest_labelled(
    places: FloatArray, labelled: Sequence[int], frame: int, count: int = CANDIDATES
) -> tuple[int, ...]:
    """Give the labelled frames that are nearest to `frame` in posture space, nearest first."""
    distance = cdist(places[[frame]], places[list(labelled)])[0]
    return tuple(labelled[int(k)] for k in distance.argsort(kind="stable")[:count])
