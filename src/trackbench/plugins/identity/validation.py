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
from trackbench.plugins.identity.asymmetry_fit import MIRRORED_SHARE
from trackbench.plugins.identity.calibration import (
    UNCALIBRATED,
    Calibration,
    balance,
    calibrated,
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
HAND_TEMPERATURES: Final = (1.0, 2.0, 3.0, 5.0, 7.0, 10.0, 14.0, 20.0, 30.0, 50.0)
ASYMMETRY_TEMPERATURES: Final = (0.5, 0.7, 1.0, 1.5, 2.0, 3.0, 5.0, 7.0, 10.0, 20.0)
"""A half takes the likelihood ratio for what it is; nothing takes it for more."""

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
    return _with_handedness(ensemble, worms, best)


def _squared_errors(evidence: Evidence, worm: PointCloud) -> FloatArray:
    """Squared difference of the given names' probability from whether they are right."""
    labels = label(evidence)
    true = worm.names or ()
    named = [i for i, name in enumerate(true) if name]
    right = np.array([labels.names[i] == true[i] for i in named], dtype=float)
    errors: FloatArray = np.square(labels.probability[named] - right)
    return errors


def _with_handedness(
    ensemble: Ensemble, worms: Sequence[PointCloud], names: Calibration
) -> Calibration:
    """Choose the temperatures under which handedness is likeliest, on worms and parts of them."""
    margins = np.array(_handedness_margins(ensemble, worms, names))
    if len(margins) == 0:
        return names
    best, least = names, np.inf
    for hand, asymmetry in itertools.product(HAND_TEMPERATURES, ASYMMETRY_TEMPERATURES):
        p = 1.0 / (1.0 + np.exp(-(margins @ [1.0 / hand, 1.0 / asymmetry])))
        loss = -np.log(MIRRORED_SHARE + (1.0 - 2.0 * MIRRORED_SHARE) * p).mean()
        if loss < least:
            least = loss
            chosen = {"hand_temperature": hand, "asymmetry_temperature": asymmetry}
            best = names.model_copy(update={**chosen, "hand_doubt": MIRRORED_SHARE})
    return best


def _handedness_margins(
    ensemble: Ensemble, worms: Sequence[PointCloud], names: Calibration
) -> list[FloatArray]:
    """By how much the networks and the asymmetry prefer the true handedness, (2,) each."""
    rng = np.random.default_rng(HAND_SEED)
    margins = []
    for worm in worms:
        if worm.mirrored is None:
            continue
        for share in (1.0, *rng.uniform(*PART_SHARES, size=PARTS)):
            kept = np.sort(rng.permutation(len(worm))[: max(FEWEST, int(share * len(worm)))])
            part = replace(worm.take(kept).without_names(), mirrored=None)
            found = {
                r.mirrored: np.array(
                    [
                        r.handedness,
                        ensemble.asymmetry.support(r.zyx_um, calibrated(r.log_p, names)),
                    ]
                )
                for r in ensemble.raw(part, SearchConfig())
            }
            margins.append(found[worm.mirrored] - found[not worm.mirrored])
    return margins
