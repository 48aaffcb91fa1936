"""From an ensemble's mean table to probabilities that mean what they say.

A temperature flattens or sharpens the table; Sinkhorn rounds then see to it that no name is
handed out more than once, which a row-wise softmax cannot know. A small share of every row is
spread evenly: annotations have errors, so no name is ever certain. Where the handedness isn't
known, the tables under both are mixed by how probable each is; some worms are annotated as their
mirror image, so neither is ever certain.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from trackbench.core.evidence import normalise_rows

if TYPE_CHECKING:
    from collections.abc import Sequence

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
    doubt : float
        Share of every row that is spread evenly over all columns.
    hand_temperature, asymmetry_temperature : float
        Where the handedness isn't known, the networks' logits of it and the support that the
        asymmetry gives it are divided by these and added.
    hand_doubt : float
        Share of worms whose annotated handedness is the other one.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    temperature: float = Field(default=1.0, gt=0, description="divides log-probabilities")
    sharpness: float = Field(default=1.0, gt=0, description="multiplies the balanced table")
    doubt: float = Field(default=0.0, ge=0, lt=1, description="share of a row spread evenly")
    hand_temperature: float = Field(default=1.0, gt=0, description="divides logits of handedness")
    asymmetry_temperature: float = Field(
        default=1.0, gt=0, description="divides the support by the asymmetry"
    )
    hand_doubt: float = Field(
        default=0.0, ge=0, lt=0.5, description="share of worms annotated as their mirror image"
    )


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
    return doubted(normalise_rows(balanced * calibration.sharpness), calibration.doubt)


def doubted(log_p: FloatArray, doubt: float) -> FloatArray:
    """Spread a share of every row evenly; rows stay normalised, the order of columns stays."""
    if not doubt:
        return log_p
    spread: FloatArray = np.logaddexp(np.log1p(-doubt) + log_p, np.log(doubt / log_p.shape[1]))
    return spread


def mixed(tables: Sequence[FloatArray], logits: Sequence[float], doubt: float) -> FloatArray:
    """Mix two tables by the softmax of their logits.

    Parameters
    ----------
    tables : sequence of two ndarray, (n, k + 1)
        Log-probabilities.
    logits : sequence of two float
    doubt : float
        Share of the cases in which the other table is meant.

    Returns
    -------
    ndarray, (n, k + 1)
    """
    p = np.exp(normalise_rows(np.array([logits]))[0])
    weights = np.log((1.0 - doubt) * p + doubt * (1.0 - p) + SMALLEST)
    weighed = [weight + table for weight, table in zip(weights, tables, strict=True)]
    mixture: FloatArray = np.logaddexp.reduce(weighed, axis=0)
    return mixture


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
