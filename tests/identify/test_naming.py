import csv

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trackbench.core.registry import load_registry
from trackbench.core.spec import Spec, parse_combination
from trackbench.core.types import Evidence, Labels, PointCloud
from trackbench.errors import UsageError
from trackbench.identify import Identification, abstain, identify, write_table
from trackbench.identify.picture import draw_html, draw_png, verdicts
from trackbench.identify.table import COLUMNS

NAMES = tuple(f"N{i:02d}" for i in range(40))


def points(seed=0):
    return np.random.default_rng(seed).normal(size=(40, 3)) * [8.0, 8.0, 30.0]


def labels(p):
    return Labels(tuple(f"n{i}" if x > 0 else "" for i, x in enumerate(p)), np.asarray(p))


@given(st.lists(st.floats(0.01, 1), max_size=30), st.floats(0, 1))
def test_abstention_keeps_the_surest_at_the_expected_error(p, max_error):
    kept = abstain(labels(p), max_error)
    given_p = [x for x, name in zip(p, kept.names, strict=True) if name]
    left_out = [x for x, name in zip(p, kept.names, strict=True) if not name]
    if given_p:
        assert np.mean(1 - np.asarray(given_p)) <= max_error + 1e-6
    if left_out and given_p:
        assert max(left_out) <= min(given_p) + 1e-6
    if left_out:
        assert np.mean(1 - np.asarray([*given_p, max(left_out)])) > max_error - 1e-6


def test_all_names_stay_at_an_error_of_one_and_who_had_none_gets_none():
    kept = abstain(labels([0.1, 0.0, 0.9]), 1.0)
    assert kept.names == ("n0", "", "n2")


def test_a_worm_is_named_by_a_template_and_its_own_names_are_not_looked_at():
    order = np.random.default_rng(1).permutation(40)
    template = PointCloud(points(), names=NAMES, id="template")
    wrong = tuple(NAMES[i] for i in np.roll(order, 1))
    worm = PointCloud(points()[order] + 3.0, names=wrong, id="worm")
    found = identify(load_registry(), worm, [Spec("vote")], [template], Spec("cpd"))
    assert found.labels.names == tuple(NAMES[i] for i in order)
    assert set(verdicts(found, found.labels)) == {"wrong"}


def test_anonymous_candidates_are_no_candidates():
    evidence = Evidence(("A", "?1"), np.log([[0.2, 0.7, 0.1]]))
    found = Identification(PointCloud(np.zeros((1, 3))), labels([0.0]), evidence)
    assert found.candidates() == [[("A", pytest.approx(0.2, rel=1e-4))]]


@pytest.mark.parametrize(
    ("labeler", "matcher", "templates", "problem"),
    [
        ("vote", Spec("cpd"), 0, "needs templates"),
        ("vote", None, 1, "needs a matcher"),
        ("nothing", None, 0, "no labeler"),
    ],
)
def test_what_is_missing_is_said(labeler, matcher, templates, problem):
    named = [PointCloud(points(), names=NAMES)] * templates
    with pytest.raises(UsageError, match=problem):
        identify(load_registry(), PointCloud(points()), [Spec(labeler)], named, matcher)


def identified(n=40):
    worm = PointCloud(points()[:n], names=(*NAMES[: n // 2], *("",) * (n - n // 2)), id="worm")
    (best,) = parse_combination("best")
    return identify(load_registry(), worm, best)


@pytest.mark.parametrize("n", [0, 1, 3, 40])
def test_table_and_pictures_of_worms_of_any_size(tmp_path, n):
    found = identified(n)
    kept = abstain(found.labels, 0.5)
    write_table(tmp_path / "t.csv", found, kept)
    with (tmp_path / "t.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == n
    for row, position, name in zip(rows, found.worm.zyx_um, kept.names, strict=True):
        assert tuple(row) == COLUMNS
        assert row["name"] == name
        assert float(row["x_um"]) == pytest.approx(position[2], abs=1e-3)
        assert float(row["p_1"]) >= float(row["p_2"]) >= float(row["p_5"])
    draw_png(tmp_path / "t.png", found, kept, "a worm")
    draw_html(tmp_path / "t.html", found, kept, "a worm")
    assert (tmp_path / "t.png").read_bytes().startswith(b"\x89PNG")
    page = (tmp_path / "t.html").read_text(encoding="utf-8")
    assert "a worm" in page
    assert '<script src="http' not in page


def test_the_best_combination_names_no_name_twice():
    found = identified()
    given_names = [name for name in found.labels.names if name]
    assert len(given_names) == len(set(given_names)) > 0
