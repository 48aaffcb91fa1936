"""Speed of what stands around the matchers, as ratios to known work in the same process."""

import gzip
import json
import time

import numpy as np
import pytest

from trackbench.benchmarks.chunk import chunked
from trackbench.benchmarks.compare.gates import Gates
from trackbench.benchmarks.compare.resultset import Measured
from trackbench.benchmarks.compare.verdict import compare
from trackbench.benchmarks.kernels import KERNELS
from trackbench.benchmarks.metrics.case import score_case
from trackbench.benchmarks.predict import predict
from trackbench.benchmarks.record import OK, CellRecord, Row
from trackbench.benchmarks.store import Store
from trackbench.core.pipeline import fit_labelers, label_test, match_batch
from trackbench.datasets.semisynthetic.dataset import SemiSynthetic, SemiSyntheticConfig
from trackbench.plugins.baselines import NearestMatcher, TransferLabeler
from trackbench.plugins.cpd import CpdMatcher

KERNELS_A_CASE = 0.25
"""For its keys and for its scores; measured 0.07 and 0.04."""


def seconds(work, repeats=3):
    """Processor time of the best of some runs: others on the machine count for little."""
    taken = []
    for _ in range(repeats):
        begun = time.process_time()
        work()
        taken.append(time.process_time() - begun)
    return min(taken)


def simulated(n):
    dataset = SemiSynthetic(SemiSyntheticConfig(pairs=n))
    return list(dataset.cases("semi-synthetic", "validation", None))


@pytest.fixture(scope="module")
def cases():
    return simulated(16)


@pytest.fixture(scope="module")
def labelled(cases):
    """Give a prediction for each case, made by `nearest`."""
    matcher = NearestMatcher()
    fitted = [fit_labelers([TransferLabeler()], case.templates) for case in cases]
    found = []
    for case, labeler in zip(cases, fitted, strict=True):
        matches = matcher.match(matcher.prepare(case.templates[0]), [case.test])
        found.append(predict(case, *label_test(labeler, case.test, matches)))
    return found


@pytest.fixture(scope="module")
def kernel_s():
    """Give the seconds of a fixed piece of work: 800 small products of numpy, about 5 ms."""
    KERNELS["calls"]()
    return seconds(KERNELS["calls"], 9)


def test_a_simulated_pair_costs_about_a_kernel(benchmark, kernel_s):
    benchmark.pedantic(simulated, (8,), rounds=2, warmup_rounds=1)
    pair_s = seconds(lambda: simulated(8)) / 8
    benchmark.extra_info["pair_over_kernel"] = pair_s / kernel_s
    assert pair_s < 1.2 * kernel_s


def test_the_pipeline_adds_little_to_a_matcher(benchmark, cases):
    matcher = CpdMatcher()
    template = cases[0].templates[0]
    prepared = matcher.prepare(template)
    fitted = fit_labelers([TransferLabeler()], cases[0].templates)
    tests = [case.test.without_names() for case in cases[:4]]

    def whole():
        matches = match_batch(matcher, prepared, template, tests)
        return [
            label_test(fitted, test, [match]) for test, match in zip(tests, matches, strict=True)
        ]

    benchmark.pedantic(whole, rounds=2, warmup_rounds=1)
    ratio = seconds(whole) / seconds(lambda: matcher.match(prepared, tests))
    benchmark.extra_info["pipeline_over_matcher"] = ratio
    assert ratio < 1.2


def test_scoring_a_case_costs_little(benchmark, labelled, kernel_s):
    benchmark.pedantic(score_case, (labelled[0], "m_pair"), rounds=5, warmup_rounds=1)
    one = seconds(lambda: [score_case(item, "m_pair") for item in labelled]) / len(labelled)
    benchmark.extra_info["score_over_kernel"] = one / kernel_s
    assert one < KERNELS_A_CASE * kernel_s


def test_a_cell_is_stored_and_read_about_as_fast_as_its_text_is_packed(
    benchmark, labelled, tmp_path
):
    rows = [Row(f"{i}", "worm", "lab", OK, prediction=item) for i, item in enumerate(labelled)]
    record = CellRecord("0" * 32, tuple(rows * 4))
    store = Store.create(tmp_path / "store")

    def through_the_store():
        store.write_cell(record)
        assert store.cell(record.key).key == record.key

    def through_gzip():
        text = json.dumps(record.to_json(), separators=(",", ":"))
        json.loads(gzip.decompress(gzip.compress(text.encode(), compresslevel=3)))

    benchmark.pedantic(through_the_store, rounds=2, warmup_rounds=1)
    ratio = seconds(through_the_store) / seconds(through_gzip)
    benchmark.extra_info["store_over_gzip"] = ratio
    assert ratio < 1.5


def test_content_keys_are_quick(benchmark, cases, kernel_s):
    benchmark.pedantic(chunked, (cases,), rounds=3, warmup_rounds=1)
    one = seconds(lambda: chunked(cases)) / len(cases)
    benchmark.extra_info["key_over_kernel"] = one / kernel_s
    assert one < KERNELS_A_CASE * kernel_s


def test_comparing_takes_no_time_beside_running(benchmark, kernel_s):
    rng = np.random.default_rng(0)

    def results(shift):
        found = {}
        for i in range(5):
            names = ("truth", f"m{i}", "transfer", "d", "p", "test")
            by_unit = {f"w{j}": rng.random() + shift for j in range(40)}
            found[names] = Measured(names, "m_pair", "animal", by_unit, False, False, 0, None)
        return found

    base, head = results(0.0), results(-0.01)
    benchmark.pedantic(compare, (base, head, Gates()), rounds=2, warmup_rounds=1)
    one = seconds(lambda: compare(base, head, Gates())) / 5
    benchmark.extra_info["line_over_kernel"] = one / kernel_s
    assert one < 6 * kernel_s
