"""Changes of level are found where they are, and rarely where they aren't."""

import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trackbench.benchmarks.changepoints import SHORTEST, change_points, levels


def test_a_step_is_found_where_it_is():
    series = np.r_[np.full(12, 0.83), np.full(9, 0.80)]
    assert change_points(series, 0.001) == (12,)
    assert levels(series, (12,)) == pytest.approx((0.83, 0.80))


def test_two_steps_in_noise():
    rng = np.random.default_rng(0)
    series = np.r_[np.zeros(20), np.ones(20), np.full(20, 0.3)] + rng.normal(0, 0.1, 60)
    found = change_points(series, 0.001)
    assert len(found) == 2
    assert np.abs(np.subtract(found, (20, 40))).max() <= 1


def test_quiet_series_rarely_have_a_change():
    rng = np.random.default_rng(1)
    alarms = [bool(change_points(rng.normal(0, 0.05, 60), 0.001)) for _ in range(300)]
    assert np.mean(alarms) < 0.05


def test_rounding_errors_are_no_change():
    series = np.r_[np.full(10, 0.5), np.full(10, 0.5 + 1e-9)]
    assert change_points(series, 0.001) == ()


def test_one_odd_run_is_no_level():
    series = np.r_[np.full(10, 1.0), 1.6, np.full(10, 1.0)]
    assert change_points(series, 0.03) == ()
    assert change_points(series[:3], 0.03) == ()


@given(st.lists(st.floats(-1e3, 1e3), max_size=40), st.floats(1e-6, 1))
def test_every_level_has_its_shortest_length(values, least):
    found = change_points(np.array(values), least)
    assert all(length >= SHORTEST for length in np.diff((0, *found, len(values)))) or not found
    assert len(levels(np.array(values), found)) == len(found) + 1 if values else True


def test_a_thousand_runs_take_no_time():
    series = np.random.default_rng(2).normal(0, 1, 1000)
    begun = time.process_time()
    change_points(series, 0.001)
    assert time.process_time() - begun < 1
