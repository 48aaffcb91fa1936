"""No step of the harness grows faster than the number of cells."""

import math

import pytest
from experiments.scale import measure

from trackbench.core.registry import load_registry

STEPS = ("plan", "run", "resume", "score", "store_mb", "files")
STEEPEST = 1.2
TRIES = 3
"""A busy machine makes one measurement steep, a real fault all of them."""


@pytest.mark.slow
@pytest.mark.parametrize("shape", ["wide", "deep"])
def test_every_step_grows_at_most_linearly(shape, tmp_path, monkeypatch):
    monkeypatch.setattr("experiments.scale.browser_seconds", lambda page: 0.0)
    for attempt in range(TRIES):
        steep = steeper(shape, tmp_path / str(attempt))
        if not steep:
            return
    pytest.fail(f"exponents of growth: {steep}")


def steeper(shape, folder):
    """Steps that took more than in proportion, with their exponents."""
    few, many = 20, 120
    found = {}
    for n_cells in (few, many):
        (folder / str(n_cells)).mkdir(parents=True)
        found[n_cells] = measure(load_registry(), shape, n_cells, folder / str(n_cells))
    ratio = {step: found[many][step] / found[few][step] for step in STEPS}
    exponents = {step: math.log(value) / math.log(many / few) for step, value in ratio.items()}
    return {step: round(value, 2) for step, value in exponents.items() if value >= STEEPEST}
