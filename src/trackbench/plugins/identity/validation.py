"""What is measured on validation worms: progress of a training run, and the calibration."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import numpy as np
import torch

from trackbench.core.assignment import assign
from trackbench.core.atlas import ALIGN_RIDGE_UM2, align_to_means, named_points
from trackbench.plugins.identity.calibration import Calibration, calibrated
from trackbench.plugins.identity.features import color_features
from trackbench.plugins.identity.inference import SearchConfig

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from trackbench.core.geometry import FloatArray
    from trackbench.core.types import PointCloud
    from trackbench.plugins.identity.bank import Bank
    from trackbench.plugins.identity.ensemble import Ensemble
    from trackbench.plugins.identity.network import IdentityNetwork

TEMPERATURES: Final = (0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.15, 1.3)
SHARPNESSES: Final = (0.7, 0.8, 0.9, 1.0, 1.1, 1.25)


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
    """Choose temperature and sharpness by the log-likelihood of true names.

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
    found = []
    for has_color in (True, False):
        tables = []
        for worm in worms:
            index = named_points(worm, ensemble.names).index
            test = worm.without_names() if has_color else _colorless(worm)
            tables.append((ensemble.raw(test, SearchConfig()), index))
        found.append(_best_calibration(tables))
    return found[0], found[1]


def _colorless(worm: PointCloud) -> PointCloud:
    return replace(worm.without_names(), color=None)


def _best_calibration(tables: Sequence[tuple[FloatArray, NDArray[np.int64]]]) -> Calibration:
    """Minimise the loss over worms, every worm weighing the same."""

    def loss(calibration: Calibration) -> float:
        each = []
        for raw, index in tables:
            named = np.flatnonzero(index >= 0)
            each.append(-calibrated(raw, calibration)[named, index[named]].mean())
        return float(np.mean(each))

    grid = itertools.product(TEMPERATURES, SHARPNESSES)
    return min((Calibration(temperature=t, sharpness=s) for t, s in grid), key=loss)
