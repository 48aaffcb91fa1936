"""Holds tracks against the names that a recording's own points carry."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from scipy.spatial import cKDTree

from trackbench.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from trackbench.datasets.recordings import Recording
    from trackbench.track.tracks import Tracks

__all__ = ["UNKNOWN", "VERDICTS", "WITHIN_UM", "Verdicts", "held_against_truth"]

VERDICTS: Final = ("no truth", "right", "wrong", "missing")
UNKNOWN, RIGHT, WRONG, MISSING = range(4)
WITHIN_UM: Final = 3.0
"""A track farther than this from the neuron of its name is wrong."""


@dataclass(frozen=True, eq=False)
class Verdicts:
    """What became of every neuron that is named in the recording.

    Parameters
    ----------
    verdict : (T, N) array of uint8
        Index into `VERDICTS`.
    """

    verdict: NDArray[np.uint8]

    @property
    def known(self) -> int:
        """How many neurons have a truth."""
        return int((self.verdict != UNKNOWN).sum())

    @property
    def accuracy(self) -> float:
        """Share that is right of all that have a truth; what is missing counts as wrong."""
        return float((self.verdict == RIGHT).sum() / max(self.known, 1))


def held_against_truth(recording: Recording, tracks: Tracks) -> Verdicts:
    """Say of each track and volume whether it sits on the neuron of its name.

    A track is right where the nearest of the volume's points, named or not, carries its name and
    is at most 3 µm away. A neuron that the volume's points don't have has no truth.

    Parameters
    ----------
    recording : Recording
    tracks : Tracks
        Of this recording. The template's own frame counts as any other.
    """
    verdict = np.zeros(tracks.flags.shape, np.uint8)
    for t in range(len(tracks)):
        try:
            cloud = recording.points(t)
        except InputError:
            continue
        if cloud is None or cloud.names is None:
            continue
        row = {name: i for i, name in enumerate(cloud.names) if name}
        wanted = np.array([row.get(name, -1) for name in tracks.names])
        here = np.flatnonzero((wanted >= 0) & (tracks.flags[t] > 0))
        distance, nearest = cKDTree(cloud.zyx_um).query(tracks.zyx_um[t, here])
        right = (nearest == wanted[here]) & (distance <= WITHIN_UM)
        verdict[t, wanted >= 0] = MISSING
        verdict[t, here] = np.where(right, RIGHT, WRONG)
    return Verdicts(verdict)
