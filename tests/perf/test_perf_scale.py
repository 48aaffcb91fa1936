"""No step of the harness grows faster than the number of cells."""

import math

import pytest
from experiments.scale import measure

from trackbench.core.registry import load_registry

STEPS = ("plan", "run", "resume", "score", "store_mb", "files")
STEEPEST = 1.2


@pytest.mark.slow
@pytest.mark.parametrize("shape", ["wide", "deep"])
def test_every_step_grows_at_most_linearly(shape, tmp_path, monkeypatch):
    monkeypatch.setattr("experiments.scale.browser_seconds", lambda page: 0.0)
    few, many = 20, 120
    found = {}
    for n_cells in (few, many):
        (tmp_path / str(n_cells)).mkdir()
        found[n_cells] = measure(load_registry(), shape, n_cells, tmp_path / str(n_cells))
    for step in STEPS:
        exponent = math.log(found[many][step] / found[few][step]) / math.log(many / few)
        assert exponent < STEEPEST, f"{step} grows with exponent {exponent:.2f}"
