import tomllib

import pytest

from trackbench.core.combinations import named_combinations, save_combination, shown
from trackbench.core.registry import load_registry
from trackbench.core.spec import Spec, parse_combination
from trackbench.errors import InputError


def test_best_is_a_sum_of_labelers_that_exist():
    registry = load_registry()
    for specs in parse_combination("best"):
        assert specs
        for spec in specs:
            assert registry.create("labeler", spec).name == spec.name


@pytest.mark.parametrize("name", named_combinations())
def test_a_name_stands_for_its_sum_and_is_shown_for_it(name):
    (specs,) = parse_combination(name)
    assert (specs,) == tuple(parse_combination(named_combinations()[name]))
    assert shown(specs) == name


def test_a_name_can_be_part_of_a_sum_and_of_a_list():
    plain, more = parse_combination("best,best+vote[focus=2]")
    assert more == (*plain, Spec("vote", (("focus", "2"),)))
    assert shown(more).endswith("+vote[focus=2]")


def test_other_sums_are_shown_as_typed():
    assert shown(parse_combination("vote+color[weight=0.5]")[0]) == "vote+color[weight=0.5]"


def test_saving_keeps_the_other_combinations(tmp_path):
    path = tmp_path / "mine.toml"
    save_combination(path, "one", "vote", "nothing")
    save_combination(path, "two", 'color[preset="x"]', "12 worms")
    save_combination(path, "one", "vote[weight=2]", "again")
    assert tomllib.loads(path.read_text(encoding="utf-8")) == {
        "one": {"labelers": "vote[weight=2]", "fitted": "again"},
        "two": {"labelers": 'color[preset="x"]', "fitted": "12 worms"},
    }


def test_a_broken_file_is_not_overwritten(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text("[half", encoding="utf-8")
    with pytest.raises(InputError, match="no TOML"):
        save_combination(path, "one", "vote", "nothing")
    assert path.read_text(encoding="utf-8") == "[half"
