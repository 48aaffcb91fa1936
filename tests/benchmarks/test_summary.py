"""What a group of rows becomes in the table."""

import json
from dataclasses import replace

import pytest

from trackbench.benchmarks.collect import Group, GroupHead, collect
from trackbench.benchmarks.metrics.case import score_case
from trackbench.benchmarks.record import CONTAMINATED, FAILED, OK, Prediction, Row
from trackbench.benchmarks.session import run as run_session
from trackbench.benchmarks.session import score
from trackbench.benchmarks.store import Store
from trackbench.benchmarks.summary import summary_rows
from trackbench.core.plugin import Protocol

HEAD = GroupHead(
    "truth", "m", "transfer", "d", Protocol("p", "", "m_pair"), "test", 0, 4, 10, "key"
)


def row(case, right, status=OK, *, animal="worm", group="", oracle=False):
    name = "A" if right else "B"
    prediction = Prediction(("A",), (name,), (0.9,), (name,), ((name,),), (-1.0,), (True,))
    if status == FAILED:
        return Row(case, animal, group, status)
    return Row(case, animal, group, status, oracle=oracle, prediction=prediction)


def headline(*rows):
    scores = tuple(r.prediction and score_case(r.prediction, "m_pair") for r in rows)
    return summary_rows(Group(HEAD, rows, scores))[0]


def test_contaminated_and_oracle_rows_stay_out_of_a_clean_mean():
    found = headline(
        row("1", True),
        row("2", False, CONTAMINATED),
        row("3", False, oracle=True),
        row("4", True),
    )
    assert found.mean == 1.0
    assert found.n_cases == 2
    assert found.headline
    assert not found.oracle
    assert not found.contaminated
    assert found.statuses == {OK: 3, CONTAMINATED: 1}


@pytest.mark.parametrize(
    ("status", "oracle", "mark"),
    [(OK, True, "oracle"), (CONTAMINATED, False, "contaminated")],
)
def test_without_clean_rows_the_mean_is_marked(status, oracle, mark):
    found = headline(*[row(str(i), True, status, oracle=oracle) for i in range(4)])
    assert found.mean == 1.0
    assert getattr(found, mark)
    assert found.primary
    assert not found.headline


def test_no_row_at_all_is_missing_and_has_no_mean():
    found = headline()
    assert found.mean is None
    assert found.statuses == {"missing": 4}
    assert found.n_failed == 4
    assert not found.headline


def test_failures_and_missing_rows_are_counted():
    found = headline(row("1", True), row("2", True, FAILED))
    assert found.statuses == {OK: 1, FAILED: 1, "missing": 2}
    assert found.n_failed == 3


def test_the_unit_is_the_animal_unless_there_is_one_alone():
    one = headline(*[row(str(i), i % 2) for i in range(4)])
    two = headline(*[row(str(i), i % 2, animal=f"w{i % 2}") for i in range(4)])
    assert (one.unit, one.n_animals) == ("case", 1)
    assert (two.unit, two.n_animals) == ("animal", 2)
    assert (two.low, two.high) == (0.0, 1.0)
    assert 0 <= one.low < 0.5 < one.high <= 1


def test_labs_are_told_apart_and_averaged():
    found = headline(
        row("1", True, group="EY"), row("2", True, group="EY"), row("3", False, group="HL")
    )
    assert found.groups == {
        "EY": {"mean": 1.0, "n_cases": 2},
        "HL": {"mean": 0.0, "n_cases": 1},
    }
    assert found.mean == pytest.approx(2 / 3)
    assert found.mean_of_groups == 0.5


def test_a_later_run_replaces_rows_of_the_same_name(registry, options, planned):
    first = planned(datasets="trial")
    run_session(registry, options, first)
    cls = registry.datasets()["trial"].cls
    with pytest.MonkeyPatch.context() as patch:
        original = cls.cases

        def fewer(self, *words):
            return list(original(self, *words))[:2]

        patch.setattr(cls, "cases", fewer)
        run_session(registry, options, planned(datasets="trial"))
    (group,) = collect(Store.open(options.out))
    assert len(group.rows) == 2


def test_a_run_shows_its_own_table_and_score_shows_all(registry, options, planned):
    run_session(registry, options, planned())
    shown = run_session(registry, options, planned(matchers="nearest"))
    assert {item.matcher for item in shown} == {"nearest"}
    assert {item.matcher for item in score(options.out)} == {"counted", "nearest"}


def test_what_computed_is_told_beside_each_result(registry, options, planned):
    run_session(registry, options, planned(matchers="counted,two-ways"))
    told = {item.matcher: item.computed_by for item in score(options.out)}
    assert told == {"counted": {}, "two-ways": {"two-ways": ("slow", "set TRIAL_FAST")}}


def test_a_store_that_says_nothing_of_backends_is_read(registry, options, planned):
    run_session(registry, options, planned(matchers="two-ways"))
    (path,) = (options.out / "plans").iterdir()
    plan = json.loads(path.read_text())
    del plan["parts"][0]["combinations"][0]["computed_by"]
    path.write_text(json.dumps(plan))
    assert {(item.n_cases, len(item.computed_by)) for item in score(options.out)} == {(6, 0)}


def test_rows_stand_in_the_order_of_the_cases(registry, options, planned):
    wanted = replace(options, datasets="trial[n_cases=130]")
    plan = planned(datasets="trial[n_cases=130]")
    run_session(registry, wanted, plan)
    (group,) = collect(Store.open(options.out))
    assert [item.case for item in group.rows] == [f"{i:06d}" for i in range(130)]
