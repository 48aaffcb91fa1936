"""The table of left-out labs compares what it says it compares."""

import numpy as np
import pytest
from experiments.lab_left_out import (
    Scores,
    interval,
    paired_row,
    score,
    scored_worms,
    short_config,
    train,
    train_worms,
)

from trackbench.core.keys import animal_key
from trackbench.datasets.splits import CROSS_LAB_TEST


def test_a_row_gives_what_leaving_out_costs():
    seen = Scores(np.array([0.9, 0.8, 0.7]), np.ones(3), np.full(3, 0.95))
    unseen = Scores(np.array([0.85, 0.5, 0.75]), np.full(3, 0.9), np.full(3, 0.85))
    cells = [cell.strip() for cell in paired_row("XY", 4, seen, unseen).strip("|").split("|")]
    assert cells[:5] == ["XY", "4", "3", "0.800", "0.700"]
    assert cells[5] == "-0.100 (-0.300 to +0.050)"
    assert cells[6:] == ["1.000", "0.900", "0.950", "0.850"]


def test_an_interval_narrows_with_the_number_of_worms():
    values = np.random.default_rng(0).normal(0.5, 0.1, 100)
    few, many = interval(values[:10]), interval(values)
    assert many[0] < values.mean() < many[1]
    assert many[1] - many[0] < 0.5 * (few[1] - few[0])


def test_the_short_schedule_decays_to_its_end_and_keeps_colors():
    config = short_config(200)
    assert (config.steps, config.warm_up) == (200, 20)
    assert config.use == "color"
    assert config.augment.colorless == 0.0
    assert config.start is None


@pytest.mark.real_data
def test_no_scored_worm_is_trained_on(real_data):
    known, tests = train_worms(real_data), scored_worms(real_data)
    trained_on = {animal_key(worm.zyx_um) for worms in known.values() for worm in worms}
    scored = {animal_key(case.test.zyx_um) for cases in tests.values() for case in cases}
    assert not trained_on & scored
    assert CROSS_LAB_TEST not in known
    assert set(tests) == {*known, CROSS_LAB_TEST}


@pytest.mark.real_data
def test_a_finished_training_is_not_repeated(real_data, tmp_path, capsys):
    worms, cases = train_worms(real_data)["SK2"], scored_worms(real_data)["SK2"][:1]
    first = train("SK2", worms, short_config(2), tmp_path)
    assert "step 2" in capsys.readouterr().err
    again = train("SK2", worms, short_config(2), tmp_path)
    assert "step 2," not in capsys.readouterr().err
    assert score(first, cases).top5 == score(again, cases).top5
