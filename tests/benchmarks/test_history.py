"""A history grows by a line a run, and outlives kills and foreign files."""

import json
from dataclasses import replace

import numpy as np
import pytest
from tests.benchmarks.test_summary import headline, row

from trackbench.benchmarks.history import ACCURACY, SPEED, append_run, read_history
from trackbench.errors import InputError, StoreError

ROW = headline(row("1", True), row("2", False))


def timed(ratio):
    timing = {"seconds_per_volume": 0.01 * ratio, "calibration_s": 0.01}
    return replace(ROW, timing=timing, seconds_per_volume=0.01 * ratio)


def test_each_run_is_one_line(tmp_path):
    path = tmp_path / "history.jsonl"
    for _ in range(3):
        append_run(path, [ROW])
    assert len(path.read_text().splitlines()) == 3
    (series,) = read_history(path)
    assert series.kind == ACCURACY
    assert [point.value for point in series.points] == [0.5] * 3
    assert series.points[0].n_cases == 2
    assert series.names[1] == "m"
    assert series.changes == ()


def test_a_slowdown_is_a_change_of_the_ratio_to_the_kernel(tmp_path):
    path = tmp_path / "history.jsonl"
    rng = np.random.default_rng(0)
    for run in range(24):
        append_run(path, [timed((1.5 if run >= 16 else 1.0) * rng.normal(1, 0.03))])
    found = {series.kind: series for series in read_history(path)}
    assert found[SPEED].changes == (16,)
    assert found[ACCURACY].changes == ()


def test_marked_rows_are_no_history(tmp_path):
    append_run(tmp_path / "h.jsonl", [headline(row("1", True, oracle=True))])
    assert read_history(tmp_path / "h.jsonl") == []


def test_a_line_that_was_cut_short_costs_its_run_alone(tmp_path):
    path = tmp_path / "history.jsonl"
    append_run(path, [ROW])
    path.write_text(path.read_text() + path.read_text()[:40])
    append_run(path, [ROW])
    (series,) = read_history(path)
    assert len(series.points) == 2


@pytest.mark.parametrize(
    ("text", "says"),
    [("animal,score\n", "is no history"), ('{"schema": 9, "results": []}\n', "of schema 9")],
)
def test_another_file_is_named(tmp_path, text, says):
    path = tmp_path / "other"
    path.write_text(text)
    with pytest.raises(InputError, match=says):
        read_history(path)


def test_a_history_that_cannot_be_written(tmp_path):
    with pytest.raises(StoreError, match="can't write"):
        append_run(tmp_path / "no" / "history.jsonl", [ROW])


def test_a_run_states_its_revision_and_machine(tmp_path):
    append_run(tmp_path / "h.jsonl", [ROW])
    record = json.loads((tmp_path / "h.jsonl").read_text())
    assert record["processor"]
    assert record["time"].endswith("+00:00")
