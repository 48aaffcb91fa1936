"""Time is what a thread worked, slept and read, and not what it waited for a core."""

import multiprocessing
import os
import time

import numpy as np
import pytest

from trackbench.benchmarks.kernels import KERNELS, time_kernels
from trackbench.benchmarks.rounds import NEAREST, Rounds, pooled
from trackbench.benchmarks.stopwatch import WAITING_IS_KNOWN, seconds


def test_a_sleep_counts():
    assert 0.05 <= seconds(lambda: time.sleep(0.05)) < 0.2


def spin(until):
    while time.monotonic() < until:
        pass


def work():
    for _ in range(40):
        np.sort(np.arange(100_000)[::-1] % 977)


@pytest.mark.skipif(not WAITING_IS_KNOWN, reason="the system keeps no scheduler statistics")
def test_waiting_for_a_core_does_not_count():
    """Four processes fight for this process's core: wall time suffers, ours doesn't."""
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(cores)})
    rivals = [
        multiprocessing.get_context("fork").Process(target=spin, args=(time.monotonic() + 60,))
        for _ in range(4)
    ]
    try:
        for rival in rivals:
            rival.start()
        time.sleep(0.1)
        begun, busy = time.perf_counter(), time.thread_time()
        measured = seconds(work)
        wall, busy = time.perf_counter() - begun, time.thread_time() - busy
    finally:
        for rival in rivals:
            rival.kill()
            rival.join()
        os.sched_setaffinity(0, cores)
    assert wall > 2 * busy
    assert measured < 1.5 * busy


def test_every_kernel_takes_about_as_long():
    time_kernels()
    found = time_kernels()
    assert found.keys() == KERNELS.keys()
    assert max(found.values()) < 50 * min(found.values())


def test_rounds_come_to_medians_and_ratios():
    rounds = Rounds(singles=[0.01, 0.03])
    for taken in (0.02, 0.04, 0.09):
        rounds.add(taken, {"float32": 0.01, NEAREST: taken / 2})
    record = rounds.record()
    assert record["seconds_per_volume"] == 0.04
    assert record["repeats"] == 3
    assert record["rounds"]["ratios"] == {"float32": [2, 4, 9], NEAREST: [2, 2, 2]}


def test_a_second_pass_joins_the_first():
    first, second = Rounds(singles=[0.1]), Rounds(singles=[0.2])
    first.add(3.0, {"float32": 1.0, "bfloat16": 1.0})
    second.add(1.0, {"float32": 1.0})
    found = pooled(first.record() | {"threads": 1}, second.record() | {"threads": 2})
    assert found["rounds"]["seconds"] == [3, 1]
    assert found["rounds"]["ratios"] == {"float32": [3, 1]}
    assert found["seconds_per_volume"] == 2
    assert found["threads"] == 2
    assert pooled({"error": "died"}, second.record()) == second.record()
