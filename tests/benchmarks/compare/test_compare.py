import dataclasses
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trackbench.benchmarks.compare.gates import Gates, read_gates
from trackbench.benchmarks.compare.render import as_json, as_markdown, as_text
from trackbench.benchmarks.compare.resultset import (
    Measured,
    Speed,
    read_results,
    write_baseline,
)
from trackbench.benchmarks.compare.statistics import holm, least_units, permutation_p, wilcoxon_p
from trackbench.benchmarks.compare.verdict import compare
from trackbench.core.plugin import Backend
from trackbench.errors import InputError, NothingComparableError

NAMES = ("truth", "cpd", "transfer", "neuropal", "chaudhary", "test")
RNG = np.random.default_rng(3)


def measured(scores, **change):
    values = {
        "names": NAMES,
        "metric": "m_pair",
        "unit": "animal",
        "by_unit": {f"w{i}": float(x) for i, x in enumerate(scores)},
        "oracle": False,
        "contaminated": False,
        "n_failed": 0,
        "speed": Speed(0.01, 0.02, 0.001),
    }
    return Measured(**{**values, **change})


def judged(base, head, **gates):
    found = compare({base.names: base}, {head.names: head}, Gates(**gates))
    return found.lines[0]


SCORES = RNG.uniform(0.6, 0.9, 20)


def test_a_run_against_itself_has_no_regression():
    line = judged(measured(SCORES), measured(SCORES))
    assert line.accuracy.status == "ok"
    assert line.accuracy.difference == 0
    assert line.accuracy.p == 1
    assert line.speed.ratio == pytest.approx(1)
    assert not line.regressed


def test_a_drop_of_three_points_is_caught():
    line = judged(measured(SCORES), measured(SCORES - 0.03 + RNG.normal(0, 0.01, 20)))
    assert line.accuracy.status == "worse"
    assert line.accuracy.p < 0.01


def test_a_significant_but_tolerated_drop_is_no_regression():
    assert judged(measured(SCORES), measured(SCORES - 0.005)).accuracy.status == "ok"


def test_a_large_drop_of_one_animal_alone_is_no_regression():
    scores = SCORES.copy()
    scores[0] -= 0.5
    assert judged(measured(SCORES), measured(scores)).accuracy.status == "ok"


def test_a_gain_is_told():
    assert judged(measured(SCORES), measured(SCORES + 0.02)).accuracy.status == "better"


def test_too_few_animals_are_never_called_no_change():
    found = compare(
        {NAMES: measured(SCORES[:5])}, {NAMES: measured(SCORES[:5] - 0.3)}, Gates(alpha=0.01)
    )
    line = found.lines[0]
    assert line.accuracy.status == "too few"
    assert line.accuracy.n_needed == 7
    assert "no evidence that nothing changed" in as_text(found)
    assert "5 animals, 7 needed" in as_markdown(found)


def test_nothing_decided_is_told_apart_from_no_regression():
    few = measured(SCORES[:3], speed=None)
    found = compare({NAMES: few}, {NAMES: few}, Gates())
    assert found.undecided
    assert "nothing could be decided" in as_text(found)


@pytest.mark.parametrize("mark", ["oracle", "contaminated"])
def test_marked_rows_are_never_gated(mark):
    line = judged(measured(SCORES), measured(SCORES - 0.5, **{mark: True}))
    assert line.accuracy.status == "marked"


def test_new_failures_are_a_regression():
    assert judged(measured(SCORES), measured(SCORES, n_failed=1)).regressed


def test_a_method_that_fails_altogether_is_a_regression():
    broken = measured([], n_failed=20, speed=None)
    found = compare({NAMES: measured(SCORES)}, {NAMES: broken}, Gates())
    assert found.regressed
    assert "rows fail that did not" in as_text(found)
    assert json.loads(as_json(found))["lines"][0]["accuracy"]["head"] is None


@pytest.mark.parametrize(
    ("speed", "status"),
    [
        (Speed(0.015, 0.02, 0.001), "slower"),
        (Speed(0.015, 0.03, 0.0015), "ok"),
        (Speed(0.015, 0.03, 0.001), "unsure"),
        (Speed(0.005, 0.02, 0.001), "faster"),
        (Speed(0.015, 0.02, None), "slower"),
        (None, "not measured"),
    ],
)
def test_speed_is_a_ratio_to_what_ran_beside_it(speed, status):
    line = judged(measured(SCORES), measured(SCORES, speed=speed))
    assert line.speed.status == status


def ratios(**references):
    """Give a speed by the lower quartile and the median of its ratio to each reference."""
    beside = {name: (0.01 / middle, low / middle) for name, (low, middle) in references.items()}
    return Speed(0.01, 0.02, 0.001, beside)


@pytest.mark.parametrize(
    ("head", "status", "ratio"),
    [
        ({"float32": (1.45, 1.5), "calls": (14.6, 15.0)}, "slower", 1.5),
        ({"float32": (1.45, 1.5), "calls": (9.0, 10.0)}, "unsure", 1.25),
        ({"float32": (1.02, 1.5), "calls": (10.0, 15.0)}, "unsure", 1.5),
        ({"float32": (0.5, 0.6), "calls": (5.0, 6.0)}, "faster", 0.6),
        ({"float32": (0.5, 0.6), "calls": (9.0, 10.0)}, "ok", 0.8),
        ({"float32": (1.45, 1.5)}, "slower", 1.5),
        ({"bfloat16": (1.45, 1.5)}, "not measured", None),
    ],
)
def test_a_slowdown_counts_beside_every_reference_and_in_most_rounds(head, status, ratio):
    base = measured(SCORES, speed=ratios(float32=(0.98, 1.0), calls=(9.9, 10.0)))
    found = judged(base, measured(SCORES, speed=ratios(**head))).speed
    assert found.status == status
    assert found.ratio == (None if ratio is None else pytest.approx(ratio))


KERNELS, TORCH = Backend("kernels"), Backend("torch", "no compiler")
SLOW, QUICK = Speed(0.03, 0.02, 0.001), Speed(0.003, 0.02, 0.001)


def by(backend, speed=None, scores=SCORES):
    return measured(scores, speed=speed or Speed(0.01, 0.02, 0.001), computed_by={"cpd": backend})


@pytest.mark.parametrize(
    ("base", "head"), [(by(KERNELS), by(TORCH, SLOW)), (by(TORCH), by(KERNELS, QUICK))]
)
def test_the_speed_of_another_backend_says_nothing(base, head):
    line = judged(base, head)
    assert line.speed.status == "unlike"
    assert line.speed.ratio is not None
    assert not line.regressed


def test_another_backend_is_told_with_its_reason():
    other = ("truth", "cpd", "vote", *NAMES[3:])
    base, head = by(KERNELS), by(TORCH, SLOW)
    again = [dataclasses.replace(side, names=other) for side in (base, head)]
    found = compare({NAMES: base, other: again[0]}, {NAMES: head, other: again[1]}, Gates())
    said = "cpd is computed by torch (no compiler) in head, by kernels in base: 2 lines"
    assert as_text(found).count(said) == 1
    assert f"- {said}" in as_markdown(found)
    assert "can't tell: other backends |" in as_markdown(found)
    speed = json.loads(as_json(found))["lines"][0]["speed"]
    assert speed["unlike"] == [
        {"plugin": "cpd", "base": ["kernels", ""], "head": ["torch", "no compiler"]}
    ]


def test_the_accuracy_of_another_backend_is_gated():
    found = judged(by(KERNELS), by(TORCH, SLOW, SCORES - 0.03))
    assert found.accuracy.status == "worse"
    assert found.regressed


@pytest.mark.parametrize(
    ("base", "head"),
    [
        (measured(SCORES), by(TORCH, SLOW)),
        (by(KERNELS), measured(SCORES, speed=SLOW)),
        (by(TORCH), by(Backend("torch", "switched off"), SLOW)),
    ],
)
def test_the_same_or_an_unknown_backend_is_held_in_speed(base, head):
    assert judged(base, head).speed.status == "slower"


def test_another_backend_and_too_few_animals_decide_nothing():
    base, head = by(KERNELS, scores=SCORES[:3]), by(TORCH, SLOW, SCORES[:3])
    assert compare({NAMES: base}, {NAMES: head}, Gates()).undecided


def test_combinations_of_one_side_are_listed():
    other = dataclasses.replace(measured(SCORES), names=("truth", "fdnc", *NAMES[2:]))
    base = {NAMES: measured(SCORES)}
    found = compare(base, {**base, other.names: other}, Gates())
    assert found.only_head == (other.names,)
    assert "only in head: fdnc > transfer" in as_text(found)


def test_nothing_in_common():
    with pytest.raises(NothingComparableError):
        compare({NAMES: measured(SCORES)}, {}, Gates())
    renamed = measured(SCORES, by_unit={"other worm": 0.5})
    with pytest.raises(NothingComparableError):
        compare({NAMES: measured(SCORES)}, {NAMES: renamed}, Gates())


def test_json_is_complete():
    found = json.loads(
        as_json(compare({NAMES: measured(SCORES)}, {NAMES: measured(SCORES)}, Gates()))
    )
    assert found["regressed"] is False
    assert found["lines"][0]["accuracy"]["n_units"] == 20


@pytest.mark.parametrize("speed", [Speed(0.01, 0.02), ratios(float32=(0.98, 1.0)), None])
def test_baseline_round_trip(tmp_path, speed):
    path = tmp_path / "new" / "baseline.json"
    results = {NAMES: measured(np.round(SCORES, 6), speed=speed)}
    write_baseline(path, results)
    assert read_results(path) == results


def test_a_baseline_holds_what_computed_where_there_was_a_choice(tmp_path):
    path = tmp_path / "baseline.json"
    results = {NAMES: measured(np.round(SCORES, 6), computed_by={"cpd": TORCH})}
    write_baseline(path, results)
    assert read_results(path) == results
    write_baseline(path, {NAMES: measured(SCORES)})
    assert "computed_by" not in path.read_text()


@pytest.mark.parametrize("damaged", [["torch"], {"cpd": "torch"}, {"cpd": None}, 3])
def test_a_damaged_record_of_backends_is_named(tmp_path, damaged):
    path = tmp_path / "baseline.json"
    write_baseline(path, {NAMES: measured(SCORES, computed_by={"cpd": TORCH})})
    document = json.loads(path.read_text())
    document["results"][0]["computed_by"] = damaged
    path.write_text(json.dumps(document))
    with pytest.raises(InputError, match="is no baseline"):
        read_results(path)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "is no baseline"),
        ("[]", "is no baseline"),
        ('{"trackbench_baseline": 99, "results": []}', "has schema 99"),
        ('{"trackbench_baseline": 1, "results": [{}]}', "is no baseline"),
    ],
)
def test_a_bad_baseline_is_named(tmp_path, text, says):
    path = tmp_path / "b.json"
    path.write_text(text)
    with pytest.raises(InputError, match=says):
        read_results(path)


def test_an_absent_result_set(tmp_path):
    with pytest.raises(InputError, match="is not there"):
        read_results(tmp_path / "nothing")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("accuracy = 0.5", "accuracy"),
        ("speed = 2", "the gates are accuracy, seconds, alpha"),
        ("accuracy", "can't be read"),
    ],
)
def test_bad_gates_are_named(tmp_path, text, says):
    path = tmp_path / "gates.toml"
    path.write_text(text)
    with pytest.raises(InputError, match=says):
        read_gates(path)


def test_gates_may_stand_in_a_table(tmp_path):
    path = tmp_path / "gates.toml"
    path.write_text("[gates]\naccuracy = -0.02\n")
    assert read_gates(path) == Gates(accuracy=-0.02)
    assert read_gates(None) == Gates()


@given(st.lists(st.floats(-1, 1), min_size=1, max_size=8))
def test_exact_permutation_p_counts_sign_patterns(differences):
    p = permutation_p(np.array(differences))
    assert 0.5 ** len(differences) <= p <= 1
    if all(d < 0 for d in differences):
        assert p >= 0.5 ** len(differences)


def test_permutation_p_of_equal_drops_is_the_smallest_possible():
    assert permutation_p(np.full(7, -0.1)) == pytest.approx(1 / 128)
    assert permutation_p(np.full(30, -0.1)) < 0.001
    assert permutation_p(np.zeros(9)) == 1


def test_permutation_p_holds_its_level():
    rng = np.random.default_rng(0)
    p = [permutation_p(rng.normal(size=10)) for _ in range(400)]
    assert 0.02 <= np.mean(np.array(p) < 0.05) <= 0.09


def test_wilcoxon_agrees_in_direction():
    assert wilcoxon_p(np.linspace(-0.2, -0.1, 12)) < 0.01
    assert wilcoxon_p(np.linspace(0.1, 0.2, 12)) > 0.99
    assert wilcoxon_p(np.zeros(5)) == 1


def test_holm():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([]) == []


def test_least_units():
    assert least_units(0.01, 1) == 7
    assert least_units(0.01, 10) == 10
