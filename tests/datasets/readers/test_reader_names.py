import pytest
from hypothesis import given
from hypothesis import strategies as st

from trackbench.datasets.readers.names import clean_names


def test_plain_names_pass_and_blank_ones_stay_blank():
    assert clean_names(["AVAL", "", " AVAR ", "nan"]) == (("AVAL", "", "AVAR", ""), ())


def test_the_later_of_two_equal_names_counts_as_unlabeled():
    names, notes = clean_names(["RIGR", "AVAL", "RIGR"])
    assert names == ("RIGR", "AVAL", "")
    assert notes == ("RIGR stands more than once: the later neuron counts as unlabeled",)


@pytest.mark.parametrize(
    ("raw", "name", "note"),
    [("RMDD?", "RMDD", "uncertain"), ("RM?D", "", "not a name"), ("??", "", "not a name")],
)
def test_question_marks(raw, name, note):
    names, notes = clean_names([raw])
    assert names == (name,)
    assert note in notes[0]


def test_an_uncertain_name_that_stands_already_counts_as_unlabeled():
    assert clean_names(["AVAL", "AVAL?"])[0] == ("AVAL", "")


@given(st.lists(st.text(alphabet="AB?n ", max_size=4), max_size=12))
def test_no_name_stands_twice_and_cleaning_twice_changes_nothing(raw):
    names, _ = clean_names(raw)
    given_names = [name for name in names if name]
    assert len(set(given_names)) == len(given_names)
    assert clean_names(names) == (names, ())
