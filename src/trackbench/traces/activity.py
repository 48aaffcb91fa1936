"""From light to activity: bleaching, motion and brightness taken out.

A moving nucleus is never measured twice in the same place and depth: what that does to the light
it does to both channels, so their ratio is free of it (Nguyen et al. 2016, 2017). The ratio has
the noise of both, too: so of the fast changes of the static label only that part is divided out
which the indicator shares.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from scipy.ndimage import gaussian_filter1d
from scipy.stats import theilslopes

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from trackbench.traces.extract import Fluorescence

    FloatArray = NDArray[np.float64]

__all__ = ["BASELINE_PERCENTILE", "Activity", "activity", "bleaching"]

BASELINE_PERCENTILE: Final = 20.0
FAINTEST: Final = 0.1
"""Red light below this share of the neuron's median is no measure of anything."""

SLOW: Final = 4.0
"""Standard deviation, in volumes, of the window that parts slow from fast changes."""

FITTED: Final = 400
"""Moments in time that a bleaching curve is fitted to."""


@dataclass(frozen=True, eq=False)
class Activity:
    """Activity of every track.

    Parameters
    ----------
    bleaching : (C, T) array
        Fitted loss of light of each channel, 1 at the first volume.
    ratio : (T, N) array
        Second channel over the first less its noise, both corrected for bleaching; of a
        recording with one channel that channel itself.
    dff : (T, N) array
        Change of the ratio relative to its baseline, the 20th percentile.
    """

    bleaching: FloatArray
    ratio: FloatArray
    dff: FloatArray


def activity(light: Fluorescence) -> Activity:
    """Correct light for bleaching and motion.

    Parameters
    ----------
    light : Fluorescence
        First channel the static label, second the indicator; further ones are left alone.
    """
    lost = np.stack([bleaching(channel) for channel in light.signal])
    steady = light.signal / lost[..., None]
    ratio = steady[0] if len(steady) == 1 else _ratio(steady[1], steady[0])
    baseline = _percentile(ratio, BASELINE_PERCENTILE)
    with np.errstate(invalid="ignore", divide="ignore"):
        dff = np.where(baseline > 0, ratio / baseline - 1.0, np.nan)
    return Activity(lost, ratio, dff)


def bleaching(signal: FloatArray) -> FloatArray:
    """Fit an exponential loss of light to what neurons have in common, (T,), 1 at the start.

    Parameters
    ----------
    signal : (T, N) array

    Returns
    -------
    (T,) array
        All 1 where light doesn't fall.
    """
    typical = np.nan_to_num(_percentile(signal, 50.0), nan=-1.0)
    bright = typical > 0
    flat = np.ones(len(signal))
    if not bright.any():
        return flat
    common = _percentile((signal[:, bright] / typical[bright]).T, 50.0)
    t = np.flatnonzero(common > 0)
    if len(t) < 3:
        return flat
    t = t[np.unique(np.linspace(0, len(t) - 1, min(FITTED, len(t))).astype(int))]
    slope = theilslopes(np.log(common[t]), t)[0]
    curve: FloatArray = np.exp(min(float(slope), 0.0) * np.arange(len(signal)))
    return curve


def _ratio(green: FloatArray, red: FloatArray) -> FloatArray:
    """Divide by the red light, its own noise left out.

    What red does slowly is divided out whole. What it does from one volume to the next is partly
    noise: it counts as far as green does the same, by regression of one on the other.
    """
    usable = red > FAINTEST * _percentile(red, 50.0)
    red, green = np.where(usable, red, np.nan), np.where(usable, green, np.nan)
    slow = _running_mean(red)
    fast = _centred(red / slow)
    with np.errstate(invalid="ignore", divide="ignore"):
        relative = green / _running_mean(green)
    answer = _centred(np.where(relative > FAINTEST, relative, np.nan))
    moved = np.nansum(fast * fast, axis=0)
    shared = np.clip(np.nansum(fast * answer, axis=0) / np.where(moved > 0, moved, 1.0), 0.0, 1.0)
    ratio: FloatArray = green / (slow * np.exp(shared * fast))
    return ratio


def _running_mean(values: FloatArray) -> FloatArray:
    """Average over time with a Gaussian window, gaps left out."""
    known = np.isfinite(values)
    smooth = [
        gaussian_filter1d(part.astype(np.float64), SLOW, axis=0, mode="nearest")
        for part in (np.where(known, values, 0.0), known)
    ]
    mean: FloatArray = np.where(known, smooth[0] / np.maximum(smooth[1], 1e-9), np.nan)
    return mean


def _centred(relative: FloatArray) -> FloatArray:
    """Logarithm of each column minus its mean."""
    log = np.log(relative)
    mean: FloatArray = log - np.nansum(log, axis=0) / np.maximum(np.isfinite(log).sum(axis=0), 1)
    return mean


def _percentile(values: FloatArray, q: float) -> FloatArray:
    """Give a percentile of each column, NaN where a column has no value."""
    empty = ~np.isfinite(values).any(axis=0)
    filled = np.where(empty, 0.0, values)
    found: FloatArray = np.nanpercentile(filled, q, axis=0)
    return np.where(empty, np.nan, found)
