import numpy as np
import pytest

from trackbench.benchmarks.weighing import collect_tables, weigh, weighted_specs
from trackbench.core.evidence import normalise_rows
from trackbench.core.registry import load_registry
from trackbench.core.spec import Spec
from trackbench.core.types import Case, Evidence, PointCloud, Truth
from trackbench.errors import UsageError

NAMES = tuple(f"n{k}" for k in range(8))


def case(truth, seed):
    cloud = PointCloud(np.random.default_rng(seed).normal(size=(len(truth), 3)))
    return Case(str(seed), (), cloud, Truth(truth), "worm", "validation", "made-up")


def evidence(truth, gain, seed):
    """A table that knows the truth as well as `gain` over noise of one says."""
    rng = np.random.default_rng(seed)
    column = [NAMES.index(name) if name else len(NAMES) for name in truth]
    scores = rng.normal(size=(len(truth), len(NAMES) + 1))
    scores[np.arange(len(truth)), column] += gain
    return Evidence(NAMES, normalise_rows(scores))


def problem(gains, n_cases=20):
    rng = np.random.default_rng(0)
    cases, tables = [], []
    for seed in range(n_cases):
        truth = tuple(rng.permutation([*NAMES[:6], "", ""]))
        cases.append(case(truth, seed))
        tables.append([evidence(truth, gain, 100 * seed + j) for j, gain in enumerate(gains)])
    return tables, cases


def test_a_useless_labeler_gets_no_weight_and_better_ones_get_more():
    tables, cases = problem([3.0, 0.0, 1.0], n_cases=200)
    found = weigh(tables, cases)
    assert found.weights[0] > found.weights[2] > found.weights[1]
    assert found.weights[1] < 0.15
    assert found.brier[1] < found.brier[0]
    assert (found.n_cases, found.n_neurons) == (200, 1200)


def test_the_fit_is_a_minimum():
    tables, cases = problem([2.0, 1.0])
    best = weigh(tables, cases)
    for change in (0.8, 1.25):
        scaled = [
            [
                Evidence(NAMES, normalise_rows(weight * change * table.log_p))
                for table, weight in zip(own, best.weights, strict=True)
            ]
            for own in tables
        ]
        assert weigh(scaled, cases).brier[0] > best.brier[1]


def test_overconfident_tables_are_cooled():
    tables, cases = problem([2.0])
    hot = [[Evidence(NAMES, normalise_rows(5.0 * own[0].log_p))] for own in tables]
    (weight,) = weigh(hot, cases).weights
    (plain,) = weigh(tables, cases).weights
    assert weight == pytest.approx(plain / 5, rel=0.02)


def test_unnamed_neurons_and_unknown_names_do_not_count():
    tables, cases = problem([2.0])
    cases[0] = case(("elsewhere", *cases[0].truth.names[1:]), 0)
    named = sum(name in NAMES for item in cases for name in item.truth.names)
    assert weigh(tables, cases).n_neurons == named


def test_labelers_that_need_matches_need_a_matcher():
    registry = load_registry()
    with pytest.raises(UsageError, match="--matcher"):
        collect_tables(registry, [Spec("vote")], None, [])


def test_tables_through_matcher_and_labelers():
    points = np.random.default_rng(0).normal(size=(8, 3)) * 20
    template = PointCloud(points, names=NAMES, id="t")
    cases = [
        Case("0", (template,), PointCloud(points), Truth(NAMES), "worm", "validation", "made-up")
    ]
    labelers = [Spec("vote"), Spec("transfer")]
    ((voted, transferred),) = collect_tables(load_registry(), labelers, Spec("nearest"), cases)
    assert (voted.log_p[:, :-1].argmax(axis=1) == np.arange(8)).all()
    assert (transferred.log_p[:, :-1].argmax(axis=1) == np.arange(8)).all()


def test_a_weighted_sum_is_written_as_typed():
    specs = [Spec("a", (("weight", "3"), ("x", "1"))), Spec("b"), Spec("c")]
    assert weighted_specs(specs, [0.5, 0.0, 1.25]) == "a[x=1,weight=0.5]+c[weight=1.25]"
