"""What is measured on validation worms: progress of a training run, and the calibration."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import numpy as np
import torch

from trackbench.core.assignment import assign
from trackbench.core.atlas import ALIGN_RIDGE_UM2, align_to_means, named_points
from trackbench.core.evidence import label, normalise_rows
from trackbench.core.types import Evidence
from trackbench.plugins.identity.calibration import (
    UNCALIBRATED,
    Calibration,
    balance,
    doubted,
)
from trackbench.plugins.identity.features import color_features
from trackbench.plugins.identity.search import SearchConfig

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from trackbench.core.geometry import FloatArray
    from trackbench.core.types import PointCloud
    from trackbench.plugins.identity.bank import Bank
    from trackbench.plugins.identity.ensemble import Ensemble
    from trackbench.plugins.identity.network import IdentityNetwork

TEMPERATURES: Final = (0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.15, 1.3)
SHARPNESSES: Final = (0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.2, 1.3, 1.45, 1.6, 1.8)
DOUBTS: Final = (0.0, 0.015, 0.03, 0.06, 0.1)
HAND_TEMPERATURES: Final = (1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 10.0, 14.0, 20.0)

PARTS: Final = 6
"""Parts of each worm on which the handedness is tried as well: twelve worms are few."""

PART_SHARES: Final = (0.5, 0.95)
FEWEST: Final = 10
HAND_SEED: Final = 0


class Progress:
    """Measures a network on validation worms that stand in their true pose.

    The pose comes from the names, so this follows a run's progress and is no result.

    Parameters
    ----------
    bank : Bank
    worms : sequence of PointCloud
    """

    def __init__(self, bank: Bank, worms: Sequence[PointCloud]) -> None:
        self._worms = []
        for worm in worms:
            points = named_points(worm, bank.names)
            pose = align_to_means(points, bank.means, ridge=ALIGN_RIDGE_UM2)(points.zyx_um)
            self._worms.append((pose, color_features(worm.color, len(worm)), points.index))

    def of(self, network: IdentityNetwork) -> dict[str, float]:
        """Mean negative log-likelihood of true names and share assigned, with color and without."""
        found = {}
        for title, factor in (("color", 1.0), ("position", 0.0)):
            rows = [
                _score(network, pose, factor * color, index) for pose, color, index in self._worms
            ]
            loss, correct = np.mean(rows, axis=0)
            found[f"{title}_nll"] = round(float(loss), 4)
            found[f"{title}_top1"] = round(float(correct), 4)
        return found


def _score(
    network: IdentityNetwork,
    zyx_um: FloatArray,
    color: NDArray[np.float32],
    index: NDArray[np.int64],
) -> tuple[float, float]:
    with torch.inference_mode():
        points = torch.from_numpy(zyx_um.astype(np.float32))[None]
        mask = torch.ones(points.shape[:2], dtype=torch.bool)
        logits, _ = network(points, torch.from_numpy(color.astype(np.float32))[None], mask)
        log_p = torch.log_softmax(logits[0], dim=-1).numpy()
    named = np.flatnonzero(index >= 0)
    loss = -log_p[named, index[named]].mean()
    return float(loss), float(np.mean(assign(log_p)[named] == index[named]))


def fit_calibration(
    ensemble: Ensemble, worms: Sequence[PointCloud]
) -> tuple[Calibration, Calibration]:
    """Choose the calibration by the Brier score of the names that are given, over all neurons.

    Parameters
    ----------
    ensemble : Ensemble
        Its own calibration is not used.
    worms : sequence of PointCloud
        Validation worms, with names.

    Returns
    -------
    with_color, without_color : Calibration
    """
    bare = [replace(worm, color=None) for worm in worms]
    return _best_calibration(ensemble, worms), _best_calibration(ensemble, bare)


def _best_calibration(ensemble: Ensemble, worms: Sequence[PointCloud]) -> Calibration:
    read = [ensemble.raw(worm.without_names(), SearchConfig())[0].log_p for worm in worms]
    best, least = UNCALIBRATED, np.inf
    for temperature in TEMPERATURES:
        balanced = [balance(table / temperature) for table in read]
        for sharpness, doubt in itertools.product(SHARPNESSES, DOUBTS):
            tables = [doubted(normalise_rows(table * sharpness), doubt) for table in balanced]
            errors = [
                _squared_errors(Evidence(ensemble.names, table.astype(np.float32)), worm)
                for table, worm in zip(tables, worms, strict=True)
            ]
            brier = float(np.mean(np.concatenate(errors)))
            if brier < least:
                least = brier
                best = Calibration(temperature=temperature, sharpness=sharpness, doubt=doubt)
    return best.model_copy(update={"hand_temperature": _hand_temperature(ensemble, worms)})


def _squared_errors(evidence: Evidence, worm: PointCloud) -> FloatArray:
    """Squared difference of the given names' probability from whether they are right."""
    labels = label(evidence)
    true = worm.names or ()
    named = [i for i, name in enumerate(true) if name]
    right = np.array([labels.names[i] == true[i] for i in named], dtype=float)
    errors: FloatArray = np.square(labels.probability[named] - right)
    return errors


def _hand_temperature(ensemble: Ensemble, worms: Sequence[PointCloud]) -> float:
    """Choose the temperature under which handedness is likeliest, on worms and parts of them."""
    rng = np.random.default_rng(HAND_SEED)
    margins = []
    for worm in worms:
        if worm.mirrored is None:
            continue
        for share in (1.0, *rng.uniform(*PART_SHARES, size=PARTS)):
            kept = np.sort(rng.permutation(len(worm))[: max(FEWEST, int(share * len(worm)))])
            part = replace(worm.take(kept).without_names(), mirrored=None)
            logits = {r.mirrored: r.handedness for r in ensemble.raw(part, SearchConfig())}
            margins.append(logits[worm.mirrored] - logits[not worm.mirrored])
    if not margins:
        return UNCALIBRATED.hand_temperature
    loss = [np.logaddexp(0.0, -np.array(margins) / t).mean() for t in HAND_TEMPERATURES]
    return HAND_TEMPERATURES[int(np.argmin(loss))]
