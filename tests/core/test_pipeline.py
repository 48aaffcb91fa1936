import numpy as np
import pytest

from trackbench import Case, Match, Matcher, PointCloud, Truth
from trackbench.core.pipeline import fit_labelers, label_test, match_batch, reason_to_skip, view
from trackbench.errors import ContractError
from trackbench.plugins.baselines import NearestMatcher, TransferLabeler, TruthMatcher

POINTS = np.array([[0, 0, 0], [0, 0, 20], [0, 20, 0], [20, 0, 0.0]])
TEMPLATE = PointCloud(POINTS, names=("a", "b", "", "d"), id="t", animal="t")
TEST = PointCloud(POINTS[::-1] + 0.5, id="s", animal="s")
TRUTH = ("d", "", "b", "a")


def test_match_and_label_end_to_end():
    matcher = NearestMatcher()
    (match,) = match_batch(matcher, matcher.prepare(TEMPLATE), TEMPLATE, [TEST])
    fitted = fit_labelers([TransferLabeler()], [TEMPLATE])
    labels, evidence = label_test(fitted, TEST, [match])
    assert labels.names == TRUTH
    assert evidence.names == ("a", "b", "?2", "d")


def test_names_are_hidden_from_all_but_those_who_ask():
    assert view(NearestMatcher(), TEMPLATE, TEMPLATE.names).names is None
    assert view(TruthMatcher(), TEST, TRUTH).names == TRUTH


class Wrong(Matcher):
    name = "wrong"

    def __init__(self, answer):
        super().__init__()
        self.answer = answer

    def match(self, prepared, tests):
        return self.answer


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        ([], "gave 0 matches for 1 tests"),
        ([Match.from_pairs((), 4, 3)], r"it must be \(n_test, n_template \+ 1\) = \(4, 5\)"),
        ([Match.from_pairs((), 3, 4)], "shape"),
    ],
)
def test_a_matcher_is_held_to_its_contract(answer, says):
    with pytest.raises(ContractError, match=says):
        match_batch(Wrong(answer), TEMPLATE, TEMPLATE, [TEST])


def test_reasons_to_skip():
    case = Case("c", (TEMPLATE,), TEST, Truth(TRUTH), "s", "test", "p")

    class Needy(Wrong):
        requires = frozenset({"color"})

    class Imaging(Wrong):
        requires = frozenset({"images"})

    class Picky(Wrong):
        def supports(self, case):
            return "only on Sundays"

    assert reason_to_skip(NearestMatcher(), case) is None
    assert reason_to_skip(Needy(None), case) == "needs color"
    assert reason_to_skip(Imaging(None), case) == "needs images"
    assert reason_to_skip(Picky(None), case) == "only on Sundays"
