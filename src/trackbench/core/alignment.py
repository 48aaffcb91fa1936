"""Alignment of a worm to the atlas by expectation maximisation, without names.

Expectation: the posterior of each neuron over the names and a uniform "none of these".
Maximisation: a rigid, later an affine map that brings each neuron to its expected place. Several
start poses run side by side and the most likely one wins. Handedness is taken as given; where it
is open, both are tried, and colors have to decide.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from trackbench.core.atlas_scorer import Scorer
from trackbench.core.evidence import normalise_rows
from trackbench.core.geometry import FloatArray, fit_affine, fit_rigid, pose_starts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from trackbench.core.alignment_config import AlignmentConfig
    from trackbench.core.statistical_atlas import StatisticalAtlas

__all__ = ["Alignment", "align"]

MIRROR: Final = np.array([-1.0, 1.0, 1.0])


@dataclass(frozen=True, eq=False)
class Alignment:
    """A worm in the atlas frame.

    Parameters
    ----------
    zyx_um : ndarray, (n, 3)
    log_volume : float
        Log-determinant of the map that brought it there.
    log_likelihood : float
        Of all neurons as they were recorded, so with the determinant of the map: shrinking a
        worm into the densest part of the atlas gains nothing.
    """

    zyx_um: FloatArray
    log_volume: float = 0.0
    log_likelihood: float = -np.inf


def align(
    atlas: StatisticalAtlas,
    zyx_um: FloatArray,
    color: FloatArray | None,
    mirrored: bool | None,
    config: AlignmentConfig,
) -> Alignment:
    """Align one worm from all start poses; give the most likely alignment.

    Parameters
    ----------
    atlas : StatisticalAtlas
    zyx_um : ndarray, (n, 3)
    color : ndarray, (n, 3), or None
        Compressed.
    mirrored : bool or None
        Without color and without handedness the recording is taken as not mirrored.
    config : AlignmentConfig
    """
    hands = (False, True) if mirrored is None and color is not None else (bool(mirrored),)
    blurred = [Scorer.of(atlas, config, blur) for blur in _blurs(config)]
    scores = blurred[0].color_scores(color, len(zyx_um))
    starts = [
        Alignment(pose)
        for hand in hands
        for pose in pose_starts(zyx_um * MIRROR if hand else zyx_um, config.rolls)
    ]
    early, late = blurred[:ROUNDS_BEFORE_CHOICE], blurred[ROUNDS_BEFORE_CHOICE:]
    first = [_climb(start, scores, early, config.ridge_um2) for start in starts]
    order = np.argsort([-found.log_likelihood for found in first], kind="stable")[: config.kept]
    final = [_climb(first[i], scores, late, config.ridge_um2) for i in order]
    return max(final, key=lambda found: found.log_likelihood)


ROUNDS_BEFORE_CHOICE: Final = 3


def _blurs(config: AlignmentConfig) -> list[float]:
    """Extra spread of each round: halved every two rounds, zero in the last third."""
    count = ROUNDS_BEFORE_CHOICE + config.rounds
    blurs = [config.blur_um * 0.5 ** (turn / 2.0) for turn in range(count)]
    return [blur if turn < 2 * count / 3 else 0.0 for turn, blur in enumerate(blurs)]


def _climb(
    start: Alignment, color_scores: FloatArray, scorers: Sequence[Scorer], ridge_um2: float
) -> Alignment:
    """Go through rounds of expectation and maximisation, one scorer a round."""
    zyx_um, log_volume = start.zyx_um, start.log_volume
    for turn, scorer in enumerate(scorers):
        p = np.exp(normalise_rows(scorer.joint(zyx_um, color_scores)))[:, :-1]
        sure = p.sum(axis=1) + 1e-9
        target = p @ scorer.position.mean / sure[:, None]
        weights = sure / (1.0 + np.square(zyx_um - target).sum(axis=1) / SPREAD_UM2)
        if turn < RIGID_ROUNDS:
            fit = fit_rigid(zyx_um, target, weights)
        else:
            fit = fit_affine(zyx_um, target, weights, ridge=ridge_um2)
        zyx_um = fit(zyx_um)
        log_volume += float(np.linalg.slogdet(fit.matrix)[1])
    joint = scorers[-1].joint(zyx_um, color_scores)
    total = np.logaddexp.reduce(joint, axis=1).sum() + len(zyx_um) * log_volume
    return Alignment(zyx_um, log_volume, float(total))


RIGID_ROUNDS: Final = 4
SPREAD_UM2: Final = 100.0
"""Squared distance at which a neuron's say in the fit is halved."""
