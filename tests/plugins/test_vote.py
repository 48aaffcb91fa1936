import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trackbench.core.evidence import label
from trackbench.core.pipeline import fit_labelers, label_test
from trackbench.core.types import Match, PointCloud
from trackbench.errors import ContractError
from trackbench.plugins.vote import VoteConfig, VoteLabeler

POOLS = ["mean", "product", "onehot"]


def cloud(names, points=None, **fields):
    points = np.arange(3.0 * len(names)).reshape(-1, 3) if points is None else points
    return PointCloud(points, names=names, **fields)


def soft_match(seed, n_test, n_template, sharpness=3.0):
    scores = np.random.default_rng(seed).normal(size=(n_test, n_template + 1))
    return Match.from_scores(sharpness * scores)


def vote(references, matches, n_test, **config):
    labeler = VoteLabeler(VoteConfig(**{"prefer_named": 0, **config}))
    return labeler.evidence(labeler.fit(references), PointCloud(np.zeros((n_test, 3))), matches)


def three_templates():
    references = [cloud(("A", "B", "")), cloud(("B", "C", "A")), cloud(("", "C"))]
    matches = [soft_match(seed, 4, len(item)) for seed, item in enumerate(references)]
    return references, matches


def test_mean_is_the_average_over_the_templates():
    references, matches = three_templates()
    found = vote(references, matches, 4, focus=0)
    p = [np.exp(match.log_p.astype(float)) for match in matches]
    a = (p[0][:, 0] + p[1][:, 2]) / 3
    b = (p[0][:, 1] + p[1][:, 0]) / 3
    c = (p[1][:, 1] + p[2][:, 1]) / 3
    none = (p[0][:, 2:].sum(1) + p[1][:, 3] + p[2][:, [0, 2]].sum(1)) / 3
    assert found.names == ("A", "B", "C")
    np.testing.assert_allclose(np.exp(found.log_p), np.stack([a, b, c, none], 1), atol=1e-4)


def test_hard_votes_count_partners():
    references = [cloud(("A", "B")), cloud(("A", "B")), cloud(("A", "B"))]
    straight, crossed = [(0, 0), (1, 1)], [(0, 1), (1, 0)]
    matches = [Match.from_pairs(pairs, 2, 2) for pairs in (straight, straight, crossed)]
    found = vote(references, matches, 2, pool="onehot")
    np.testing.assert_allclose(
        np.exp(found.log_p), [[2 / 3, 1 / 3, 0], [1 / 3, 2 / 3, 0]], atol=1e-4
    )


def test_one_template_votes_as_it_matches():
    references, matches = three_templates()
    found = vote(references[:1], matches[:1], 4)
    assert found.names == ("A", "B", "?2")
    np.testing.assert_allclose(found.log_p, matches[0].log_p, atol=1e-3)


def test_a_template_without_names_has_no_vote():
    named, unnamed = cloud(("A", "B")), PointCloud(np.zeros((2, 3)))
    sure = Match.from_pairs([(0, 0), (1, 1)], 2, 2)
    alone = vote([named], [sure], 2)
    found = vote([unnamed, named, unnamed], [sure, sure, sure], 2)
    np.testing.assert_allclose(found.log_p, alone.log_p, atol=1e-5)


@pytest.mark.parametrize("pool", POOLS)
@given(st.integers(0, 1000))
def test_order_of_templates_and_rows_does_not_matter(pool, seed):
    references, matches = three_templates()
    order = np.random.default_rng(seed).permutation(3)
    rows = np.random.default_rng(seed + 1).permutation(4)
    before = vote(references, matches, 4, pool=pool)
    after = vote(
        [references[t] for t in order], [Match(matches[t].log_p[rows]) for t in order], 4, pool=pool
    )
    columns = [after.names.index(name) for name in before.names] + [len(before.names)]
    np.testing.assert_allclose(before.log_p[rows], after.log_p[:, columns], atol=1e-5)


@pytest.mark.parametrize("pool", POOLS)
def test_a_blind_template_is_outvoted_and_left_out_by_confidence(pool):
    names = tuple("ABCDEF")
    sure = Match.from_pairs([(i, i) for i in range(6)], 6, 6)
    blind = Match.from_scores(np.zeros((6, 7)))
    references = [cloud(names)] * 3
    all_votes = vote(references, [sure, blind, blind], 6, pool=pool)
    best_only = vote(references, [blind, sure, blind], 6, pool=pool, max_templates=1)
    assert (all_votes.log_p[:, :-1].argmax(1) == np.arange(6)).all() or pool == "onehot"
    np.testing.assert_allclose(np.exp(best_only.log_p)[range(6), range(6)], 1, atol=1e-3)


@pytest.mark.parametrize("pool", POOLS)
def test_empty_test_and_empty_template(pool):
    references = [cloud(("A", "B")), cloud(())]
    none = vote(references, [soft_match(0, 0, 2), soft_match(1, 0, 0)], 0, pool=pool)
    assert none.log_p.shape == (0, 3)
    one = vote(references, [soft_match(0, 1, 2), soft_match(1, 1, 0)], 1, pool=pool)
    assert one.log_p.shape == (1, 3)


def test_matches_must_fit_the_references():
    references, matches = three_templates()
    with pytest.raises(ContractError, match="don't fit"):
        vote(references, matches[::-1], 4)


def test_labels_through_the_pipeline():
    references = [cloud(("A", "B", "C")), cloud(("C", "A", ""))]
    matches = [
        Match.from_pairs([(0, 0), (1, 1), (2, 2)], 3, 3),
        Match.from_pairs([(0, 1), (1, 2), (2, 0)], 3, 3),
    ]
    labels, _ = label_test(
        fit_labelers([VoteLabeler()], references), PointCloud(np.zeros((3, 3))), matches
    )
    assert labels.names == ("A", "B", "C")


def test_names_are_preferred_to_none_in_the_assignment_alone():
    references, matches = three_templates()
    plain, preferring = (vote(references, matches, 4, prefer_named=x) for x in (0, 2))
    np.testing.assert_array_equal(plain.log_p, preferring.log_p)
    given = [sum(map(bool, label(item).names)) for item in (plain, preferring)]
    assert given[1] >= given[0]
    assert preferring.preference == 2


def test_templates_without_any_names_leave_the_test_unnamed():
    found = vote([PointCloud(np.zeros((2, 3)))], [soft_match(0, 3, 2)], 3)
    assert found.names == ()
    assert found.log_p.shape == (3, 1)
