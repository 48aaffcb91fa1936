"""The timing pass measures what it says."""

import time

import numpy as np
import pytest

from trackbench.benchmarks.clock import REPEATS, TimingJob, measure
from trackbench.benchmarks.kernels import KERNELS
from trackbench.benchmarks.machine import computed_by, machine_record
from trackbench.benchmarks.threads import pin_threads, thread_record, usable_cores


@pytest.fixture
def measured(registry, planned):
    def of(matchers, **more):
        plan = planned(matchers=matchers, **more)
        part = plan.parts[0]
        found = measure(TimingJob(part.combinations, part.task.cases, 0, 1, budget_s=2.0), registry)
        return {way.names[1]: found[way.key] for way in part.combinations}

    return of


def test_a_sleep_takes_as_long_as_it_says(measured):
    found = measured("counted[sleep_s=0.02],nearest")
    slow, fast = found["counted[sleep_s=0.02]"], found["nearest"]
    assert 0.02 < slow["seconds_per_volume"] < 0.1
    assert 0.02 < slow["p50_s"] <= slow["p99_s"]
    assert fast["seconds_per_volume"] < 0.02
    assert slow["calibration_s"] == fast["calibration_s"] > 0
    assert slow["repeats"] == REPEATS
    assert slow["threads"] == 1


def test_every_round_has_its_references(measured, registry):
    record = measured("counted[sleep_s=0.002]")["counted[sleep_s=0.002]"]
    rounds = record["rounds"]
    assert len(rounds["seconds"]) == REPEATS
    assert rounds["ratios"].keys() == record["kernels_s"].keys() == KERNELS.keys()
    assert {len(values) for values in rounds["ratios"].values()} == {REPEATS}
    assert record["calibration_s"] == pytest.approx(sum(record["kernels_s"].values()))
    ratio = np.median(rounds["ratios"]["float32"])
    assert ratio == pytest.approx(
        record["seconds_per_volume"] / record["kernels_s"]["float32"], rel=0.3
    )


def test_the_number_of_cases_is_a_power_of_two_or_all(registry, planned):
    part = planned(matchers="counted[sleep_s=0.01]").parts[0]
    job = TimingJob(part.combinations, part.task.cases, 0, 1, budget_s=0.9)
    (found,) = measure(job, registry).values()
    assert found["n_cases"] in {2, 4}


def test_templates_are_prepared_before_the_clock_starts(measured, calls):
    measured("counted", protocols="trial-several", labelers="vote")
    assert len(calls("prepare")) == 3


def test_a_plugin_that_throws_costs_its_own_times(measured):
    found = measured("nan,counted")
    assert "ContractError" in found["nan"]["error"]
    assert found["counted"]["seconds_per_volume"] > 0


def test_a_slow_plugin_is_measured_on_fewer_cases(registry, planned):
    part = planned(matchers="counted[sleep_s=0.1]").parts[0]
    start = time.perf_counter()
    job = TimingJob(part.combinations, part.task.cases, 0, 1, budget_s=0.5)
    (found,) = measure(job, registry).values()
    assert found["n_cases"] == 1
    assert time.perf_counter() - start < 5


def test_threads_are_pinned_and_recorded():
    pin_threads(1)
    assert {pool["num_threads"] for pool in thread_record()} == {1}
    assert usable_cores() >= 1


def test_the_machine_is_described():
    found = machine_record()
    assert found["cores"] >= 1
    assert found["memory_gib"] > 0
    assert found["processor"]
    assert found["libraries"]["numpy"]


def test_what_computes_is_recorded_where_there_is_a_choice(planned):
    assert computed_by(planned(matchers="counted")) == {}
    found = computed_by(planned(matchers="counted,two-ways"))
    assert found == {"computed_by": {"two-ways": "slow (set TRIAL_FAST)"}}
