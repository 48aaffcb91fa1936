"""Speed of point matching, as ratios to a peer in the same process."""

import time

import numpy as np
import pytest

from trackbench import PointCloud
from trackbench.core.assignment import assign
from trackbench.plugins.cpd import CpdMatcher
from trackbench.plugins.pycpd import PycpdMatcher
from trackbench.testing import toy_recording

SPEEDUP = 10
"""Promised ratio of pycpd to cpd per volume, both from the same starting poses."""


@pytest.fixture(scope="module")
def recording():
    return [cloud.without_names() for cloud in toy_recording(117, 17, seed=0)]


def seconds(work):
    """Processor time of the best of three runs: others on the machine count for little."""
    taken = []
    for _ in range(3):
        begun = time.process_time()
        work()
        taken.append(time.process_time() - begun)
    return min(taken)


@pytest.mark.slow
def test_cpd_is_far_ahead_of_the_library(benchmark, recording):
    template, *tests = recording
    ours, peer = CpdMatcher(), PycpdMatcher()
    prepared = ours.prepare(template)
    benchmark.pedantic(ours.match, (prepared, tests), rounds=3, warmup_rounds=1)
    ours_s = seconds(lambda: ours.match(prepared, tests)) / len(tests)
    peer_s = seconds(lambda: peer.match(template, tests[:1]))
    benchmark.extra_info["pycpd_over_cpd"] = peer_s / ours_s
    assert peer_s / ours_s > SPEEDUP


def test_batching_pays(benchmark, recording):
    template, *tests = recording
    matcher = CpdMatcher()
    prepared = matcher.prepare(template)
    benchmark.pedantic(matcher.match, (prepared, tests), rounds=2, warmup_rounds=1)
    together = seconds(lambda: matcher.match(prepared, tests))
    singly = seconds(lambda: [matcher.match(prepared, [test]) for test in tests])
    benchmark.extra_info["singly_over_together"] = singly / together
    assert together < 1.1 * singly


def test_assignment_is_cheap_beside_matching(benchmark, recording):
    template, *tests = recording
    matcher = CpdMatcher()
    prepared = matcher.prepare(template)
    tables = [match.log_p for match in matcher.match(prepared, tests)]
    benchmark.pedantic(assign, (tables[0],), rounds=20, warmup_rounds=2)
    matching = seconds(lambda: matcher.match(prepared, tests))
    assigning = seconds(lambda: [assign(table) for table in tables])
    benchmark.extra_info["matching_over_assigning"] = matching / assigning
    assert assigning < 0.5 * matching


def test_the_template_is_prepared_once(benchmark):
    rng = np.random.default_rng(0)
    template = PointCloud(rng.normal(0, (9, 7, 30), (190, 3)))
    matcher = CpdMatcher()
    benchmark.pedantic(matcher.prepare, (template,), rounds=3, warmup_rounds=1)
    prepared = matcher.prepare(template)
    preparing = seconds(lambda: matcher.prepare(template))
    assert preparing < 5 * seconds(lambda: matcher.match(prepared, [template]))
