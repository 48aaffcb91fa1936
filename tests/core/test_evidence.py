import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trackbench import Evidence
from trackbench.core.evidence import add, label, normalise_rows


def table(names, probabilities):
    return Evidence(tuple(names), np.log(np.array(probabilities, dtype=float)))


def test_one_table_with_weight_one_stays_as_it_is():
    one = table("ab", [[0.5, 0.3, 0.2]])
    assert add([one], [1.0]) is one


def test_tables_multiply():
    total = add([table("ab", [[0.6, 0.2, 0.2]]), table("ab", [[0.5, 0.25, 0.25]])], [1.0, 1.0])
    expected = np.array([0.3, 0.05, 0.05])
    np.testing.assert_allclose(np.exp(total.log_p[0]), expected / expected.sum(), rtol=1e-5)


def test_a_name_that_one_table_lacks_shares_its_none():
    total = add([table("a", [[0.5, 0.5]]), table("ab", [[0.25, 0.5, 0.25]])], [1.0, 1.0])
    assert total.names == ("a", "b")
    expected = np.array([0.5 * 0.25, 0.25 * 0.5, 0.25 * 0.25])
    np.testing.assert_allclose(np.exp(total.log_p[0]), expected / expected.sum(), rtol=1e-5)


def test_weight_zero_silences_a_table():
    total = add([table("ab", [[0.6, 0.2, 0.2]]), table("ab", [[0.1, 0.8, 0.1]])], [1.0, 0.0])
    np.testing.assert_allclose(np.exp(total.log_p[0]), [0.6, 0.2, 0.2], rtol=1e-5)


@given(st.integers(0, 5000), st.integers(1, 6), st.integers(1, 6))
def test_sums_are_normalised_and_keep_their_order_of_terms(seed, rows, columns):
    rng = np.random.default_rng(seed)
    names = [f"n{j}" for j in range(columns)]
    one, two = (
        Evidence(tuple(names), normalise_rows(rng.normal(size=(rows, columns + 1)) * 3))
        for _ in range(2)
    )
    total = add([one, two], [0.7, 2.0])
    np.testing.assert_allclose(np.exp(total.log_p).sum(axis=1), 1, atol=1e-4)
    np.testing.assert_allclose(total.log_p, add([two, one], [2.0, 0.7]).log_p, atol=1e-4)


def test_labels_are_one_to_one_and_ranked():
    labels = label(table("abc", [[0.6, 0.3, 0.05, 0.05], [0.5, 0.4, 0.05, 0.05]]))
    assert labels.names in {("a", "b"), ("b", "a")}
    assert labels.top_names[0] == ("a", "b", "c")
    assert labels.probability[labels.names.index("b")] == pytest.approx(
        0.4 if labels.names[1] == "b" else 0.3, rel=1e-4
    )


def test_whoever_goes_to_an_anonymous_candidate_stays_unlabeled():
    labels = label(table(["a", "?1"], [[0.1, 0.8, 0.1]]))
    assert labels.names == ("",)
    assert labels.probability[0] == 0


def test_none_wins_where_it_is_best():
    assert label(table("a", [[0.01, 0.99]])).names == ("",)


def test_no_rows():
    assert label(Evidence(("a",), np.zeros((0, 2)))).names == ()


def test_a_preference_acts_on_the_assignment_and_leaves_the_table():
    plain = table(["a", "?1"], [[0.2, 0.75, 0.05]])
    preferring = Evidence(plain.names, plain.log_p, preference=3.0)
    assert label(plain).names == ("",)
    labels = label(preferring)
    assert labels.names == ("a",)
    assert labels.top_names[0][0] == "?1"
    raised = np.array([0.2 * np.exp(3), 0.75, 0.05])
    assert labels.probability[0] == pytest.approx(raised[0] / raised.sum(), rel=1e-4)


@given(st.integers(0, 2**32 - 1), st.floats(-5000, 5000), st.integers(1, 9), st.integers(0, 9))
def test_probabilities_are_those_of_the_preferred_names(seed, preference, n, k):
    rng = np.random.default_rng(seed)
    names = tuple(f"?{j}" if rng.random() < 0.4 else f"N{j}" for j in range(k))
    evidence = Evidence(names, normalise_rows(rng.normal(0, 9, (n, k + 1))), preference)
    labels = label(evidence)
    assert len(labels.top_names) == n
    assert len({*labels.names} - {""}) == sum(name != "" for name in labels.names)
    raised = evidence.log_p.astype(np.float64)
    raised[:, :-1] += preference * np.array([name[0] != "?" for name in names])
    p = np.exp(normalise_rows(raised))
    for i, name in enumerate(labels.names):
        wanted = p[i, names.index(name)] if name else 0.0
        assert labels.probability[i] == pytest.approx(wanted, rel=1e-4, abs=1e-12)


def test_preferences_add_up_with_their_weights():
    one = Evidence(("a",), np.log([[0.5, 0.5]]), preference=2.0)
    assert add([one, table("a", [[0.5, 0.5]])], [0.5, 1.0]).preference == 1.0


def test_candidates_are_distinct_where_most_are_impossible():
    with np.errstate(divide="ignore"):
        one = table("abcdef", [[0, 0, 0.4, 0, 0.5, 0, 0.1]])
    assert label(one).top_names == (("e", "c", "a", "b", "d"),)
