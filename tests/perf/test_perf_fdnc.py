"""Speed of fdnc on its native kernels, as a ratio to torch in the same process."""

import time

import pytest
import torch

from trackbench.datasets.semisynthetic.recording import RecordingConfig, record
from trackbench.datasets.semisynthetic.shape import load_shapes
from trackbench.plugins.fdnc import FdncMatcher, kernels

SPEEDUP = 1.5
"""Of one thread; measured 2.2 to 2.4 in a batch, 3.0 alone."""

BATCH = 16
ROUNDS = 7


@pytest.fixture(scope="module")
def recording():
    volumes = record(load_shapes(), RecordingConfig(volumes=BATCH + 1), seed=0)
    return [cloud.without_names() for cloud in volumes]


@pytest.fixture
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def switch():
    """Turn the kernels on and off in this process, as their switch does for a new one."""
    if (why := kernels.why_absent()) is not None:
        pytest.skip(f"no native kernels: {why}")
    with pytest.MonkeyPatch.context() as patch:

        def turn(*, on):
            patch.setenv(kernels.SWITCH, "0" if on else "1")
            kernels._found.cache_clear()
            return kernels.library() is not None

        yield turn
    kernels._found.cache_clear()


def seconds(work):
    begun = time.process_time()
    work()
    return time.process_time() - begun


@pytest.mark.parametrize("volumes", [BATCH, 1], ids=["a batch", "a lone volume"])
@pytest.mark.usefixtures("one_thread")
def test_the_kernels_are_ahead_of_torch(benchmark, recording, switch, volumes):
    template, *tests = recording
    tests = tests[:volumes]
    repeats = BATCH // volumes
    ways = {}
    for name, on in (("native kernels", True), ("torch", False)):
        assert switch(on=on) == on
        matcher = FdncMatcher()
        assert matcher.backend.name == name
        ways[on] = matcher, matcher.prepare(template)

    def match(on):
        matcher, prepared = ways[on]
        for _ in range(repeats):
            matcher.match(prepared, tests)

    least = dict.fromkeys(ways, float("inf"))
    for _ in range(ROUNDS):  # in turn: what else runs on the machine slows both
        for on in ways:
            switch(on=on)
            least[on] = min(least[on], seconds(lambda on=on: match(on)))
    switch(on=True)
    benchmark.pedantic(match, (True,), rounds=2, warmup_rounds=1)
    ratio = least[False] / least[True]
    benchmark.extra_info["torch_over_kernels"] = ratio
    assert ratio > SPEEDUP
