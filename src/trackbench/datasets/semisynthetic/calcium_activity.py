"""Activity of neurons and the fluorescence of their calcium indicator."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from trackbench.datasets.semisynthetic.recording import stationary_walks

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from trackbench.datasets.semisynthetic.image_config import CalciumConfig

__all__ = ["simulate_calcium"]

PEAK_SPREAD = 0.35
STEPS = 4
"""Steps a volume: the indicator's rise may be shorter than the time between volumes."""


def simulate_calcium(
    config: CalciumConfig, volumes: int, neurons: int, volumes_per_s: float, seed: int
) -> NDArray[np.float32]:
    """Simulate the change of indicator fluorescence dF/F0, (volumes, neurons), never negative.

    Each neuron follows a two-state (quiet, active) Markov process, in part its group's, plus
    graded activity: the long plateaus of whole-brain recordings of worms. The indicator answers
    linearly with a double exponential, (1 - exp(-t/rise)) exp(-t/decay).

    Parameters
    ----------
    config : CalciumConfig
    volumes, neurons : int
    volumes_per_s : float
    seed : int
    """
    rng = np.random.default_rng([seed, 1])
    step_s = 1 / (volumes_per_s * STEPS)
    kernel = _kernel(config, step_s)
    steps = volumes * STEPS + len(kernel)
    states = _two_states(config, rng, steps, config.groups + neurons, step_s)
    group = states[:, rng.integers(config.groups, size=neurons)]
    follows = rng.random(neurons) < config.shared
    activity = np.where(follows, group, states[:, config.groups :])
    memory = config.decay_s / step_s
    activity = activity + config.graded * stationary_walks(rng, steps, neurons, memory).T
    answer = _filtered(np.maximum(activity, 0), kernel)[len(kernel) :: STEPS][:volumes]
    peak = config.peak * np.exp(PEAK_SPREAD * rng.standard_normal(neurons))
    return (answer * peak).astype(np.float32)


def _kernel(config: CalciumConfig, step_s: float) -> NDArray[np.float64]:
    t = np.arange(step_s, 6 * config.decay_s + step_s, step_s)
    kernel = (1 - np.exp(-t / config.rise_s)) * np.exp(-t / config.decay_s)
    scaled: NDArray[np.float64] = kernel / kernel.sum()
    return scaled


def _two_states(
    config: CalciumConfig, rng: np.random.Generator, steps: int, count: int, step_s: float
) -> NDArray[np.float64]:
    """0 or 1, (steps, count)."""
    draws = rng.random((steps, count))
    rise, fall = step_s / config.quiet_s, step_s / config.active_s
    state = draws[0] < config.active_s / (config.active_s + config.quiet_s)
    states = np.empty((steps, count))
    for t, draw in enumerate(draws):
        state = np.where(state, draw >= fall, draw < rise)
        states[t] = state
    return states


def _filtered(activity: NDArray[np.float64], kernel: NDArray[np.float64]) -> NDArray[np.float64]:
    from scipy.signal import oaconvolve

    full = oaconvolve(activity, kernel[:, None], axes=0)
    answer: NDArray[np.float64] = np.maximum(full[: len(activity)], 0)
    return answer
