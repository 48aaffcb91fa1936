"""Jobs in this process: rows, shared stages, segmented points, what plugins get to see."""

import json

import numpy as np
import pytest

from trackbench import Evidence, PointCloud
from trackbench.benchmarks.chunk import Chunk
from trackbench.benchmarks.predict import predict
from trackbench.benchmarks.record import (
    CONTAMINATED,
    FAILED,
    OK,
    OUT_OF_MEMORY,
    SKIPPED,
    CellRecord,
    Row,
)
from trackbench.benchmarks.segmented import carry_truth
from trackbench.core.evidence import label

SEVERAL = {"protocols": "trial-several", "labelers": "vote,transfer"}


def statuses(records):
    return [row.status for record in records for row in record.rows]


@pytest.mark.parametrize(
    ("matcher", "expected"),
    [
        ("raising", [OK, FAILED] * 3),
        ("nan", [FAILED] * 6),
        ("wrong-shape", [FAILED] * 6),
        ("hungry", [OUT_OF_MEMORY] * 6),
        ("unwilling", [OK, SKIPPED, SKIPPED] * 2),
        ("leaky", [CONTAMINATED] + [OK] * 5),
    ],
)
def test_every_case_has_a_row(run, matcher, expected):
    assert statuses(run(matchers=matcher)) == expected


def test_a_worm_is_recognised_by_content(run):
    """The matcher saw the first test shuffled and moved, under no name at all."""
    (record,) = run(matchers="leaky")
    assert record.rows[0].status == CONTAMINATED
    assert record.rows[0].prediction is not None


def test_the_matcher_runs_once_for_all_labelers(run, calls):
    run(**SEVERAL)
    assert len(calls("match")) == 6 * 3
    assert len(calls("prepare")) == 3


def test_a_later_labeler_uses_the_kept_matches(run, calls):
    run(labelers="transfer")
    before = len(calls("match"))
    run(labelers="transfer,transfer+prior")
    assert len(calls("match")) == before == 6


def test_kept_matches_give_the_same_rows(run, options):
    first = run(labelers="transfer")
    for path in (options.out / "cells").rglob("*.gz"):
        path.unlink()
    again = run(labelers="transfer")
    assert first == again


def test_the_segmenter_runs_once_for_all_matchers(run, calls):
    run(protocols="trial-images", segmenters="counted-segmenter", matchers="counted,nearest,truth")
    assert len(calls("segment")) == 6


def test_missed_neurons_are_wrong_and_extra_ones_count_nothing(run):
    (record,) = run(
        protocols="trial-images", segmenters="counted-segmenter", matchers="truth",
        labelers="transfer",
    )  # fmt: skip
    row = record.rows[0]
    prediction = row.prediction
    named = [name for name in prediction.truth if name]
    assert sorted(named) == sorted([*[f"N{i}" for i in range(10)], "ONLY-TEST"])
    missed = [i for i, name in enumerate(prediction.truth) if name in {"N0", "N1"}]
    assert [prediction.name[i] for i in missed] == ["", ""]
    assert row.oracle


def test_batching_does_not_change_a_row(registry, planned, run):
    """One job of six cases, and six jobs of one, say the same."""
    from trackbench.benchmarks.cell import execute
    from trackbench.benchmarks.plan import Job
    from trackbench.benchmarks.stages import StageCache
    from trackbench.benchmarks.workbench import Workbench

    (job,) = planned(matchers="nearest").jobs()
    bench = Workbench(registry, StageCache(None), 0)
    (whole,) = execute(job, bench)
    alone = [
        execute(Job(job.cells, Chunk("k", (case,)), 0), bench)[0].rows[0]
        for case in job.chunk.cases
    ]
    assert list(whole.rows) == alone


def test_a_matcher_sees_no_names(registry, planned, monkeypatch, run):
    seen = []
    cls = registry.matchers()["counted"].cls
    original = cls.match

    def spying(self, prepared, tests):
        seen.extend(cloud.names for cloud in (prepared, *tests))
        return original(self, prepared, tests)

    monkeypatch.setattr(cls, "match", spying)
    run()
    assert set(seen) == {None}


def test_truth_is_carried_to_the_nearest_detection_within_3_um(planned):
    case = planned().parts[0].task.cases[0]
    points = case.test.zyx_um
    found = PointCloud(np.stack([points[2] + [0, 0, 2.9], points[0], points[1] + [0, 3.1, 0]]))
    carried, missed = carry_truth(case, found)
    names = case.truth.names
    assert carried.truth.names[:2] == (names[2], names[0])
    assert names[1] in missed
    assert len(missed) == sum(name != "" for name in names) - sum(
        name != "" for name in carried.truth.names
    )
    assert carried.test.animal == case.test.animal


def test_no_detection_at_all(planned):
    case = planned().parts[0].task.cases[0]
    carried, missed = carry_truth(case, PointCloud(np.zeros((0, 3))))
    assert carried.truth.names == ()
    assert len(missed) == 11


def test_minus_infinity_can_be_stored(planned):
    """A table may hold it, JSON may not."""
    case = planned().parts[0].task.cases[0]
    table = np.full((len(case.test), 3), -np.inf)
    table[:, 1] = 0.0
    evidence = Evidence(("N0", "N1"), table)
    prediction = predict(case, label(evidence), evidence)
    assert prediction.log_p_true[:3] == (-100.0, 0.0, None)
    json.dumps(
        CellRecord("key", (Row("c", "a", "", OK, prediction=prediction),)).to_json(),
        allow_nan=False,
    )


def test_a_plugin_that_changed_since_the_plan_is_refused_in_a_row(
    registry, planned, options, monkeypatch
):
    """A worker with another version answers nothing rather than something else."""
    from trackbench.benchmarks import workbench
    from trackbench.benchmarks.executors.inprocess import InProcessExecutor
    from trackbench.benchmarks.runner import run_plan
    from trackbench.benchmarks.store import Store

    plan = planned()
    monkeypatch.setattr(workbench, "identity", lambda *_: "another")
    store = Store.create(options.out)
    run_plan(plan, store, InProcessExecutor(registry))
    (record,) = [store.cell(cell.key) for job in plan.jobs() for cell in job.cells]
    assert statuses([record]) == [FAILED] * 6
    assert "differs between the plan and its worker" in record.rows[0].reason
