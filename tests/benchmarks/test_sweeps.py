"""A sweep is what differs in one parameter alone, in the order of its values."""

from dataclasses import replace

from matplotlib import image
from tests.benchmarks.test_summary import headline, row

from trackbench.benchmarks.sweeps import find_sweeps, plot_sweeps

ROW = replace(headline(row("1", True), row("2", False)), seconds_per_volume=0.01)


def rows(*matchers, labeler="transfer"):
    return [replace(ROW, matcher=matcher, labeler=labeler) for matcher in matchers]


def test_numbers_stand_in_rising_order():
    (found,) = find_sweeps(rows("cpd[beta=9]", "cpd[beta=10]", "nearest", "cpd[beta=1]"))
    assert found.values == ("1", "9", "10")
    assert found.parameter == "cpd beta"
    assert found.name == "cpd > transfer"


def test_words_stay_in_the_typed_order():
    (found,) = find_sweeps(rows("cpd[preset=tuned]", "cpd[preset=old]"))
    assert found.values == ("tuned", "old")


def test_two_parameters_make_a_sweep_for_each_value_of_the_other():
    found = find_sweeps(rows(*[f"cpd[beta={b},w={w}]" for b in (1, 2) for w in (0.1, 0.2, 0.3)]))
    assert sorted((sweep.parameter, len(sweep.values)) for sweep in found) == [
        *[("cpd beta", 2)] * 3,
        *[("cpd w", 3)] * 2,
    ]


def test_labelers_are_swept_too():
    swept = [rows("cpd", labeler=f"vote+color[weight={w}]")[0] for w in (0.1, 0.2)]
    (found,) = find_sweeps(swept)
    assert found.parameter == "color weight"
    assert found.name == "cpd > vote > color"


def test_other_protocols_are_other_sweeps():
    swept = rows("cpd[beta=1]", "cpd[beta=2]")
    assert len(find_sweeps([*swept, *[replace(item, protocol="q") for item in swept]])) == 2
    assert not find_sweeps([swept[0], replace(swept[1], protocol="q")])


def test_the_picture_has_a_column_a_parameter(tmp_path):
    swept = rows(*[f"cpd[beta={b},w={w}]" for b in (1, 2) for w in (0.1, 0.2)])
    plot_sweeps(swept, tmp_path / "two.png")
    plot_sweeps(swept[::2], tmp_path / "one.png")
    two, one = (image.imread(tmp_path / f"{name}.png") for name in ("two", "one"))
    assert two.shape[1] == 2 * one.shape[1]
    unmeasured = [replace(item, seconds_per_volume=None) for item in swept]
    plot_sweeps(unmeasured, tmp_path / "unmeasured.png")
    plot_sweeps([], tmp_path / "none.png")
    assert not (tmp_path / "none.png").exists()
