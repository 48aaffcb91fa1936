"""Plans: how many stage runs they cost, and what makes a result stale."""

from dataclasses import replace

import numpy as np
import pytest

from trackbench import PointCloud
from trackbench.benchmarks.chunk import PAIRS_PER_CHUNK, chunked
from trackbench.benchmarks.plan import cell_key
from trackbench.errors import InputError, UsageError


def keys(plan):
    return [cell.key for job in plan.jobs() for cell in job.cells]


def test_stages_are_shared(planned):
    plan = planned(
        protocols="trial-images",
        segmenters="counted-segmenter,truth",
        matchers="counted,nearest,random",
        labelers="transfer,transfer[weight=2],transfer+prior",
    )
    assert plan.n_cells == 2 * 3 * 3
    assert plan.n_stage_runs == 1 + 2 * 3 + 2 * 3 * 3
    assert len(list(plan.jobs())) == 2 * 3


def test_a_labeler_without_matches_is_run_once(planned):
    plan = planned(matchers="counted,nearest", labelers="prior")
    (way,) = plan.parts[0].combinations
    assert way.names == ("truth", "-", "prior")


def test_several_templates_make_vote_the_default(planned):
    (several,) = planned(protocols="trial-several").parts[0].combinations
    (single,) = planned(protocols="trial-pairs").parts[0].combinations
    assert several.names[2] == "vote"
    assert single.names[2] == "transfer"


def test_a_sweep_makes_a_combination_a_value(planned):
    plan = planned(matchers="counted[sleep_s=0|0.5]")
    assert [way.names[1] for way in plan.parts[0].combinations] == [
        "counted[sleep_s=0]",
        "counted[sleep_s=0.5]",
    ]


def test_the_same_request_has_the_same_keys(planned):
    assert keys(planned()) == keys(planned())


@pytest.mark.parametrize(
    "change",
    [
        {"seed": 1},
        {"matchers": "counted[sleep_s=0.001]"},
        {"labelers": "transfer[weight=2]"},
        {"datasets": "trial[noise_um=2.5]"},
        {"datasets": "trial[n_animals=2]"},
        {"split": "validation"},
        {"oracle": True},
    ],
)
def test_whatever_changes_a_result_changes_its_key(planned, change):
    assert not set(keys(planned())) & set(keys(planned(**change)))


def test_what_computes_is_part_of_the_key(planned, monkeypatch):
    slow = keys(planned(matchers="two-ways"))
    monkeypatch.setenv("TRIAL_FAST", "1")
    assert not set(slow) & set(keys(planned(matchers="two-ways")))


def test_the_truth_is_part_of_the_key(planned):
    cases = planned().parts[0].task.cases
    relabeled = replace(cases[0], truth=replace(cases[0].truth, complete=True))
    assert chunked(cases)[0].key != chunked((relabeled, *cases[1:]))[0].key


def test_chunks_keep_the_order_and_hold_all_cases(planned):
    cases = planned(datasets="trial[n_cases=200]", protocols="trial-several").parts[0].task.cases
    chunks = chunked(cases)
    assert [case.id for chunk in chunks for case in chunk.cases] == [case.id for case in cases]
    pairs = [sum(len(case.templates) for case in chunk.cases) for chunk in chunks]
    assert max(pairs) <= PAIRS_PER_CHUNK


def test_a_case_with_more_templates_than_a_chunk_stands_alone(planned):
    case = planned().parts[0].task.cases[0]
    cloud = PointCloud(np.zeros((2, 3)))
    large = replace(case, templates=(cloud,) * (PAIRS_PER_CHUNK + 1))
    assert [len(chunk.cases) for chunk in chunked((case, large, case))] == [1, 1, 1]


def test_cell_keys_tell_ways_and_chunks_apart():
    assert len({cell_key("a", "b"), cell_key("b", "a"), cell_key("a", "c")}) == 3


def test_protocols_of_several_datasets_are_found_by_name(planned):
    plan = planned(datasets="", protocols="trial-pairs,trial-several")
    assert [part.task.protocol.name for part in plan.parts] == ["trial-pairs", "trial-several"]


def test_an_unknown_protocol_suggests_the_nearest(planned):
    with pytest.raises(UsageError, match="did you mean 'trial-several'"):
        planned(protocols="trial-severl")


def test_nothing_to_run(planned):
    with pytest.raises(UsageError):
        planned(matchers=",")


def test_two_cases_of_one_name(registry, planned, monkeypatch):
    cls = registry.datasets()["trial"].cls
    original = cls.cases

    def doubled(self, protocol, split, data_dir):
        return [*original(self, protocol, split, data_dir)] * 2

    monkeypatch.setattr(cls, "cases", doubled)
    with pytest.raises(InputError, match="two cases are named '000000'"):
        planned()
