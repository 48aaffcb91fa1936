"""From an ensemble's mean table to probabilities that mean what they say.

A temperature flattens or sharpens the table; Sinkhorn rounds then see to it that no name is
handed out more than once, which a row-wise softmax cannot know.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from trackbench.core.evidence import normalise_rows

if TYPE_CHECKING:
    from trackbench.core.geometry import FloatArray

ROUNDS: Final = 20


class Calibration(BaseModel):
    """Fitted on validation worms.

    Parameters
    ----------
    temperature : float
        Log-probabilities are divided by it before the Sinkhorn rounds.
    sharpness : float
        The result is multiplied by it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    temperature: float = Field(default=1.0, gt=0, description="divides log-probabilities")
    sharpness: float = Field(default=1.0, gt=0, description="multiplies the balanced table")


UNCALIBRATED: Final = Calibration()


def calibrated(log_p: FloatArray, calibration: Calibration) -> FloatArray:
    """Balance and calibrate a table.

    Parameters
    ----------
    log_p : ndarray, (n, k + 1)
        Row-normalised, last column = none.
    calibration : Calibration

    Returns
    -------
    ndarray, (n, k + 1)
        Row-normalised.
    """
    balanced = balance(log_p / calibration.temperature)
    return normalise_rows(balanced * calibration.sharpness)


def balance(scores: FloatArray) -> FloatArray:
    """Normalise rows to one and every column, but the last, to at most one (Sinkhorn 1967).

    Parameters
    ----------
    scores : ndarray, (n, k + 1)
        Log-scores.

    Returns
    -------
    ndarray, (n, k + 1)
        Log-probabilities, rows normalised last.
    """
    table = normalise_rows(scores)
    p = np.exp(table)
    column = np.ones(p.shape[1])
    for _ in range(ROUNDS):
        row = 1.0 / np.maximum(p @ column, SMALLEST)
        load = column[:-1] * (row @ p[:, :-1])
        column[:-1] /= np.maximum(load, 1.0)
    return normalise_rows(table + np.log(column))


SMALLEST: Final = 1e-30
"""Keeps rows without any possible name from dividing by zero."""
