import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trackbench.core.evidence import label, normalise_rows
from trackbench.core.pipeline import reason_to_skip
from trackbench.core.types import Case, PointCloud, Truth
from trackbench.plugins.crf import CrfConfig, CrfLabeler
from trackbench.plugins.crf.propagation import neighbours, propagate

CLASSES = [f"C{i:02d}" for i in range(20)]
NAMES = (*(name + side for name in CLASSES for side in "LR"), "I3", "OLQDL", "OLQDR")


def body():
    """A symmetric head: left-right pairs on both sides of the middle plane, z left to right."""
    rng = np.random.default_rng(0)
    half = np.stack([rng.uniform(3, 12, 20), rng.normal(0, 8, 20), rng.uniform(-50, 60, 20)], 1)
    pairs = np.stack([half * [-1, 1, 1], half], axis=1).reshape(-1, 3)
    front = np.array([[0.0, 5.0, -70.0], [-5.0, -6.0, -65.0], [5.0, -6.0, -65.0]])
    return np.concatenate([pairs, front])


def colors():
    return np.abs(np.random.default_rng(9).normal(size=(len(NAMES), 3))) * 3 + 1


def head(seed, shared=4.0, own=1.0, named=True, shades=0.5):
    """One worm: neurons that are near each other move together, and each a little by itself."""
    rng = np.random.default_rng(seed)
    base = body()
    apart = np.linalg.norm(base[:, None] - base[None], axis=2)
    together = np.linalg.cholesky(np.exp(-((apart / 25.0) ** 2)) + 1e-6 * np.eye(len(base)))
    points = (
        base + shared * together @ rng.normal(size=base.shape) + own * rng.normal(size=base.shape)
    )
    shade = colors() * rng.lognormal(0, shades, size=(len(base), 3))
    order = rng.permutation(len(base))
    names = tuple(np.array(NAMES)[order])
    return (
        PointCloud(
            points[order],
            shade[order],
            names if named else None,
            str(seed),
            str(seed),
            mirrored=False,
        ),
        names,
    )


@pytest.fixture(scope="module")
def references():
    return [head(seed)[0] for seed in range(12)]


def accuracy(labeler, fitted, seeds, **how):
    shares = []
    for seed in seeds:
        test, names = head(seed, named=False, **how)
        given_names = label(labeler.evidence(fitted, test, [])).names
        shares.append(np.mean([a == b for a, b in zip(given_names, names, strict=True)]))
    return np.mean(shares)


def test_neighbours_help():
    how, scores = {"shared": 6.0, "shades": 1.2}, []
    references = [head(seed, **how)[0] for seed in range(30)]
    for coupling in (0.0, 0.5):
        labeler = CrfLabeler(CrfConfig(coupling=coupling))
        scores.append(accuracy(labeler, labeler.fit(references), range(100, 110), **how))
    assert scores[1] > scores[0] + 0.02


@settings(max_examples=5, deadline=None)
@given(st.integers(0, 1000))
def test_rows_follow_the_neurons_and_pose_does_not_matter(references, seed):
    rng = np.random.default_rng(seed)
    labeler = CrfLabeler()
    fitted = labeler.fit(references)
    test, _ = head(200, named=False)
    rows = rng.permutation(len(test))
    angle = rng.uniform(0, 2 * np.pi)
    c, s = np.cos(angle), np.sin(angle)
    turn = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1.0]])
    moved = PointCloud(test.zyx_um[rows] @ turn.T + 11.0, test.color[rows], mirrored=False)
    plain, other = (label(labeler.evidence(fitted, worm, [])).names for worm in (test, moved))
    same = np.mean([plain[i] == other[k] for k, i in enumerate(rows)])
    assert same > 0.9


def test_names_of_the_test_are_not_looked_at(references):
    labeler = CrfLabeler()
    fitted = labeler.fit(references)
    test, names = head(300, named=False)
    lying = PointCloud(test.zyx_um, test.color, tuple(np.roll(names, 1)), mirrored=False)
    plain, other = (labeler.evidence(fitted, worm, []).log_p for worm in (test, lying))
    np.testing.assert_array_equal(plain, other)


def test_displacements_are_antisymmetric_and_tighter_than_positions(references):
    relations = CrfLabeler().fit(references).relations
    np.testing.assert_allclose(relations.mean, -relations.mean.transpose(1, 0, 2), atol=1e-9)
    assert (relations.variance > 0).all()
    place = relations.position
    near = np.linalg.norm(place[:, None] - place[None], axis=2) < 12
    np.fill_diagonal(near, val=False)
    strangers = relations.alone[:, None] + relations.alone[None]
    assert np.median(relations.variance[near]) < 0.8 * np.median(strangers[near])


def test_worms_without_colors(references):
    plain = [PointCloud(w.zyx_um, None, w.names, w.id, mirrored=False) for w in references]
    labeler = CrfLabeler()
    found = labeler.evidence(labeler.fit(plain), plain[0].without_names(), [])
    assert np.isfinite(found.log_p).all()


@pytest.mark.parametrize("n", [0, 1, 3, 5])
def test_tiny_worms(references, n):
    labeler = CrfLabeler()
    test = head(400, named=False)[0].take(np.arange(n))
    found = labeler.evidence(labeler.fit(references), test, [])
    assert found.log_p.shape == (n, len(found.names) + 1)


def test_one_template_is_refused_with_the_reason(references):
    test = references[0].without_names()
    truth = Truth(("",) * len(test))
    one = Case("0", tuple(references[:1]), test, truth, "worm", "test", "made-up")
    assert "3 or more named worms" in reason_to_skip(CrfLabeler(), one)
    many = Case("1", tuple(references), test, truth, "worm", "test", "made-up")
    assert reason_to_skip(CrfLabeler(), many) is None
    apart = tuple(
        PointCloud(worm.zyx_um, names=tuple(f"{i}-{name}" for name in worm.names))
        for i, worm in enumerate(references[:3])
    )
    strangers = Case("2", apart, test, truth, "worm", "test", "made-up")
    assert "share" in reason_to_skip(CrfLabeler(), strangers)


def test_propagation_on_a_tree_is_exact():
    """On a chain of three, beliefs are the marginals, here by enumeration."""
    rng = np.random.default_rng(1)
    graph = neighbours(np.array([[0.0, 0, 0], [0, 0, 1.0], [0, 0, 2.1]]), 1)
    unary = rng.normal(size=(3, 4))
    table = {(0, 1): rng.normal(size=(4, 4)), (1, 2): rng.normal(size=(4, 4))}
    table |= {(b, a): values.T for (a, b), values in table.items()}
    edges = list(zip(graph.source.tolist(), graph.target.tolist(), strict=True))
    assert sorted(edges) == [(0, 1), (1, 0), (1, 2), (2, 1)]
    found = propagate(unary, np.stack([table[edge] for edge in edges]), graph, 60)
    joint = unary[0][:, None, None] + unary[1][None, :, None] + unary[2][None, None]
    joint = joint + table[0, 1][:, :, None] + table[1, 2][None]
    p = np.exp(joint) / np.exp(joint).sum()
    for i, axes in enumerate([(1, 2), (0, 2), (0, 1)]):
        np.testing.assert_allclose(np.exp(found[i]), p.sum(axis=axes), atol=1e-6)


def test_propagation_without_neighbours_changes_nothing():
    unary = np.random.default_rng(2).normal(size=(5, 3))
    graph = neighbours(np.random.default_rng(3).normal(size=(5, 3)), 0)
    found = propagate(unary, np.zeros((0, 3, 3)), graph, 5)
    np.testing.assert_allclose(found, normalise_rows(unary))
