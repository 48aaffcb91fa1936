"""The optional smoother: other volumes say where a neuron must be, and the assignment is made anew.

Every volume near in time is laid over this one by the neurons that both have (an affine map by
iteratively reweighted least squares, then a local mean of what is left over, the neuron itself
left out), so it predicts a position of every neuron. The median of these predictions does not
follow the few volumes that have the neuron wrong. Its distance to the detections is weighed against
the matcher's probabilities, and volumes are assigned again. A neuron without a detection is
interpolated where the predictions agree.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Final

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from trackbench.core.assignment import assign

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from trackbench.track.tracks import Detections, Tracks

    FloatArray = NDArray[np.float64]

__all__ = ["SmoothConfig", "smoothed"]

MATCHED, REASSIGNED, INTERPOLATED = 1, 2, 3
FEWEST: Final = 6
"""Neurons that two volumes must share to be laid over each other."""

FAR: Final = 12.0
"""Largest penalty for distance, in nats: beyond that the matcher alone decides."""

NONE: Final = 4.5
"""Penalty of 'none': three standard deviations."""

LEAST_LOG_P: Final = -14.0


class SmoothConfig(BaseModel):
    """Parameters of the smoother; lengths in µm, times in volumes.

    The defaults were chosen on volumes 1-200 of nguyen2017 and on a simulated recording.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    reach: int = Field(default=6, ge=1, description="volumes looked at on either side")
    local_um: float = Field(
        default=12.0, gt=0, description="distance over which neurons move alike"
    )
    sigma_um: float = Field(default=1.5, gt=0, description="standard deviation of a prediction")
    outlier_um: float = Field(default=2.0, gt=0, description="misfit that halves a neuron's weight")
    weight: float = Field(default=0.5, ge=0, description="factor of time against the matcher")
    rounds: int = Field(default=2, ge=1, description="times that all volumes are assigned anew")
    agree_um: float = Field(default=2.0, gt=0, description="spread up to which predictions agree")
    fewest: int = Field(default=4, ge=1, description="predictions that an interpolation needs")


def smoothed(
    tracks: Tracks,
    config: SmoothConfig | None = None,
    advance: Callable[[int], object] = int,
) -> Tracks:
    """Assign again with the help of time, and interpolate.

    Parameters
    ----------
    tracks : Tracks
        As `track` made them.
    config : SmoothConfig, optional
    advance : callable
        Told the number of volumes done; every round counts them all.

    Returns
    -------
    Tracks
        A position whose detection differs from the matcher's own is flagged as re-assigned.
    """
    config = config or SmoothConfig()
    row = tracks.matched
    guesses: list[Guess] = []
    for _ in range(config.rounds):
        position = _positions(tracks.detections, row)
        predict = _Predictor(position, config)
        guesses = []
        for t in range(len(tracks)):
            guesses.append(predict(t))
            advance(1)
        row, confidence = _assigned(tracks, guesses, config)
    return _finished(tracks, row, confidence, guesses, config)


@dataclasses.dataclass(frozen=True, eq=False)
class Guess:
    """Where the neurons of a volume must be by the others.

    Parameters
    ----------
    zyx_um : (N, 3) array
        NaN where no other volume can say.
    count : (N,) array of int
        Predictions behind each.
    agreeing : (N,) array
        Share of them within `agree_um` of the median.
    """

    zyx_um: FloatArray
    count: NDArray[np.intp]
    agreeing: FloatArray


class _Predictor:
    """Predicts volume after volume; keeps what depends on the source volume alone."""

    def __init__(self, position: FloatArray, config: SmoothConfig) -> None:
        self.position = position
        self.config = config
        self._present = np.isfinite(position[..., 0])
        self._usable = np.flatnonzero(self._present.sum(axis=1) >= FEWEST)
        self._near: dict[int, NDArray[np.float32]] = {}

    def __call__(self, t: int) -> Guess:
        """Predict volume t from those around it."""
        sources = self._around(t)
        shape = (max(len(sources), 1), *self.position.shape[1:])
        predicted = np.full(shape, np.nan)
        for k, s in enumerate(sources):
            predicted[k] = self._laid_over(s, t)
        return _median(predicted, self.config.agree_um)

    def _around(self, t: int) -> list[int]:
        if self._present[t].sum() < FEWEST:
            # an empty volume has nothing to be laid over
            return []
        at = int(np.searchsorted(self._usable, t))
        before = self._usable[max(0, at - self.config.reach) : at]
        after = self._usable[at + 1 : at + 1 + self.config.reach]
        return [int(s) for s in (*before, *after)]

    def _laid_over(self, s: int, t: int) -> FloatArray:
        """Predict all neurons of volume s in volume t, (N, 3)."""
        both = np.flatnonzero(self._present[s] & self._present[t])
        if len(both) < FEWEST:
            return np.full(self.position.shape[1:], np.nan)
        source, target = self.position[s], self.position[t]
        ones = np.ones((len(source), 1))
        homogeneous = np.hstack([np.nan_to_num(source), ones])
        trust = np.ones(len(both))
        for _ in range(3):
            left = homogeneous[both] * trust[:, None]
            affine = np.linalg.lstsq(left, target[both] * trust[:, None], rcond=None)[0]
            moved = homogeneous @ affine
            misfit = target[both] - moved[both]
            trust = self._trust(misfit, 3.0)
        near = self._kernel(s)[:, both]
        for _ in range(2):
            weight = near * trust
            total = weight.sum(axis=1, keepdims=True) + 0.1
            extra = (weight @ misfit) / total
            trust = self._trust(misfit - extra[both], 1.0)
        predicted: FloatArray = np.where(self._present[s, :, None], moved + extra, np.nan)
        return predicted

    def _trust(self, misfit: FloatArray, factor: float) -> FloatArray:
        """Cauchy weights of misfits (k, 3)."""
        squared = (misfit**2).sum(axis=1) / (factor * self.config.outlier_um) ** 2
        trust: FloatArray = 1.0 / (1.0 + squared)
        return trust

    def _kernel(self, s: int) -> NDArray[np.float32]:
        """How alike the neurons of volume s move, (N, N), nobody with itself."""
        if s not in self._near:
            points = np.nan_to_num(self.position[s]).astype(np.float32)
            squared = (points**2).sum(1)
            distance = squared[:, None] + squared[None] - 2 * points @ points.T
            near = np.exp(-distance / (2 * self.config.local_um**2))
            np.fill_diagonal(near, 0.0)
            self._near = {k: v for k, v in self._near.items() if k > s - 3 * self.config.reach}
            self._near[s] = near
        return self._near[s]


def _median(predicted: FloatArray, agree_um: float) -> Guess:
    """Take the median of predictions (k, N, 3), NaN where a volume has none."""
    count = np.isfinite(predicted[..., 0]).sum(axis=0)
    order = np.sort(predicted, axis=0)  # NaN last
    neuron = np.arange(len(count))
    low, high = np.maximum(count - 1, 0) // 2, count // 2
    last = len(predicted) - 1
    middle = (order[np.minimum(low, last), neuron] + order[np.minimum(high, last), neuron]) / 2
    middle[count == 0] = np.nan
    close = ((predicted - middle) ** 2).sum(axis=2) < agree_um**2  # False where NaN
    return Guess(middle, count, close.sum(axis=0) / np.maximum(count, 1))


def _positions(detections: Detections, row: NDArray[np.int32]) -> FloatArray:
    """Give the position of every track's detection, (T, N, 3)."""
    position = np.full((*row.shape, 3), np.nan)
    t, j = np.nonzero(row >= 0)
    position[t, j] = detections.zyx_um[detections.first[t] + row[t, j]]
    return position


def _assigned(
    tracks: Tracks, guesses: list[Guess], config: SmoothConfig
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Assign every volume anew: the detection of each track and its probability, (T, N)."""
    row = np.full(tracks.matched.shape, -1, np.int32)
    confidence = np.zeros(tracks.matched.shape, np.float32)
    for t, guess in enumerate(guesses):
        table = _table(tracks, t)
        if not len(table):
            continue
        table = table + config.weight * _nearness(tracks, t, guess, config)
        table = table - table.max(axis=1, keepdims=True)
        table = table - np.log(np.exp(table).sum(axis=1, keepdims=True))
        column = assign(table)
        i = np.flatnonzero(column >= 0)
        row[t, column[i]] = i
        confidence[t, column[i]] = np.exp(table[i, column[i]])
    return row, confidence


def _table(tracks: Tracks, t: int) -> FloatArray:
    """Give the matcher's log-probabilities of volume t, (n, N + 1), from its best candidates."""
    found, rows = tracks.detections, tracks.detections.rows(t)
    candidate, log_p = found.candidate[rows], found.log_p[rows].astype(np.float64)
    tracks_count = len(tracks.names)
    known = np.exp(log_p).sum(axis=1) + np.exp(found.log_none[rows].astype(np.float64))
    rest = np.maximum(1.0 - known, 1e-6) / max(tracks_count - candidate.shape[1], 1)
    table = np.repeat(np.log(rest)[:, None], tracks_count + 1, axis=1)
    i, k = np.nonzero(candidate >= 0)
    table[i, candidate[i, k]] = log_p[i, k]
    table[:, -1] = found.log_none[rows]
    floored: FloatArray = np.maximum(table, LEAST_LOG_P)
    return floored


def _nearness(tracks: Tracks, t: int, guess: Guess, config: SmoothConfig) -> FloatArray:
    """Log-likelihood of each detection's distance to each prediction, (n, N + 1)."""
    points = tracks.detections.zyx_um[tracks.detections.rows(t)].astype(np.float64)
    squared = ((points[:, None] - guess.zyx_um[None]) ** 2).sum(axis=2)
    near = -np.minimum(squared / (2 * config.sigma_um**2), FAR)
    near[:, guess.count == 0] = -NONE
    none = np.full((len(points), 1), -NONE)
    return np.hstack([near, none])


def _finished(
    tracks: Tracks,
    row: NDArray[np.int32],
    confidence: NDArray[np.float32],
    guesses: list[Guess],
    config: SmoothConfig,
) -> Tracks:
    """Flag what has changed and fill gaps where the predictions agree."""
    position = _positions(tracks.detections, row).astype(np.float32)
    flags = np.where(row < 0, 0, np.where(row == tracks.matched, MATCHED, REASSIGNED)).astype(
        np.uint8
    )
    for t, guess in enumerate(guesses):
        sure = (guess.count >= config.fewest) & (guess.agreeing >= 0.5) & (row[t] < 0)
        position[t, sure] = guess.zyx_um[sure]
        confidence[t, sure] = guess.agreeing[sure]
        flags[t, sure] = INTERPOLATED
    return dataclasses.replace(
        tracks,
        zyx_um=position,
        confidence=confidence,
        flags=flags,
        row=row,
        attributes=tracks.attributes | {"smoothed": config.model_dump_json()},
    )
