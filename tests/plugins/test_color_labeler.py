import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linear_sum_assignment

from trackbench.core.evidence import add
from trackbench.core.types import Case, Evidence, Match, PointCloud, Truth
from trackbench.core.weights import load_weights
from trackbench.plugins.baselines.transfer import TransferConfig, TransferLabeler
from trackbench.plugins.color import ColorConfig, ColorLabeler
from trackbench.plugins.color.divergence import color_shares, negative_divergence

DATA = os.environ.get("TRACKBENCH_DATA")
PUBLISHED = ColorConfig(preset="yu2021", weight=60.0)


def cloud(colors, names=None):
    return PointCloud(np.zeros((len(colors), 3)), colors, names)


@given(st.integers(0, 1000))
@settings(max_examples=25)
def test_the_divergence_is_that_of_the_definition(seed):
    rng = np.random.default_rng(seed)
    test, template = rng.gamma(1.0, 1.0, (3, 4)), rng.gamma(1.0, 1.0, (5, 4))
    y = np.maximum(test[:, :3] / test[:, :3].sum(1, keepdims=True), 1e-5)
    x = np.maximum(template[:, :3] / template[:, :3].sum(1, keepdims=True), 1e-5)
    wanted = [[np.sum(b * (np.log(a) - np.log(b))) for a in x] for b in y]
    np.testing.assert_allclose(negative_divergence(test, template), wanted, atol=1e-12)


def test_equal_colors_do_not_diverge_and_brightness_does_not_count():
    colors = np.array([[1.0, 2.0, 3.0, 9.0], [5.0, 1.0, 0.5, 0.0]])
    found = negative_divergence(7.0 * colors, colors)
    np.testing.assert_allclose(np.diag(found), 0.0, atol=1e-12)
    assert found[0, 1] < -0.1


def test_negative_intensities_are_cut_off():
    shares = color_shares([[-0.5, 1.0, 2.0], [0.0, 0.0, 0.0]])
    assert shares.min() == 1e-5


def test_the_published_rule_joins_position_and_color():
    """S = log P + 60 C over the template's columns, 'none' dropped."""
    rng = np.random.default_rng(0)
    template = cloud(rng.gamma(5.0, 1.0, (6, 3)), ("A", "B", "", "C", "D", ""))
    test = cloud(rng.gamma(5.0, 1.0, (6, 3)))
    match = Match.from_scores(rng.normal(size=(6, 7)))
    transfer, color = TransferLabeler(TransferConfig(prefer_named=0.0)), ColorLabeler(PUBLISHED)
    tables = [
        transfer.evidence(transfer.fit([template]), test, [match]),
        color.evidence(color.fit([template]), test, []),
    ]
    both = np.exp(add(tables, [1.0, 60.0]).log_p)
    wanted = match.log_p[:, :-1] + 60.0 * negative_divergence(test.color, template.color)
    wanted = np.exp(wanted - np.logaddexp.reduce(wanted, axis=1, keepdims=True))
    np.testing.assert_allclose(both[:, :-1], wanted, atol=1e-3)
    np.testing.assert_allclose(both[:, -1], 0.0, atol=1e-6)


def test_colors_alone_name_few_neurons_but_rank_them_well():
    """On made-up worms whose colors are drawn from the shipped model."""
    labeler = ColorLabeler()
    weights = labeler.fit(())
    rng = np.random.default_rng(0)
    rows = rng.choice(len(weights.about["names"]), 100, replace=False)
    drawn = weights.tensors["color"][rows] + 0.05 * rng.normal(size=(100, 3))
    test = cloud(np.sinh(drawn + 1.5))
    table = labeler.evidence(weights, test, ())
    names = np.array(weights.about["names"])
    best = names[np.argsort(-table.log_p[:, :-1], axis=1)]
    assert np.mean([names[row] in best[i, :20] for i, row in enumerate(rows)]) > 0.5


def test_gain_and_background_do_not_count():
    labeler = ColorLabeler()
    raw = np.random.default_rng(0).gamma(1.0, 100.0, (40, 3))
    plain = labeler.evidence(labeler.fit(()), cloud(raw), ())
    other = labeler.evidence(labeler.fit(()), cloud(3.0 * raw + [5.0, 80.0, 1.0]), ())
    np.testing.assert_allclose(plain.log_p, other.log_p, atol=1e-2)


@pytest.mark.parametrize("config", [ColorConfig(), PUBLISHED])
def test_a_worm_without_color_gets_an_even_table(config):
    labeler = ColorLabeler(config)
    bare = PointCloud(np.zeros((2, 3)))
    table = labeler.evidence(labeler.fit([cloud(np.ones((2, 3)), ("A", "B"))]), bare, ())
    assert np.ptp(table.log_p) == 0.0


def test_the_published_rule_asks_for_a_template():
    test = cloud(np.ones((1, 3)))
    case = Case("0", (), test, Truth(("A",)), "a", "test", "p")
    assert ColorLabeler(PUBLISHED).supports(case) == "needs a template"
    assert ColorLabeler().supports(case) is None


def test_only_the_learned_model_saw_worms():
    assert len(ColorLabeler().trained_on) == 55
    assert ColorLabeler(PUBLISHED).trained_on == frozenset()


def test_unnamed_template_neurons_stay_anonymous():
    labeler = ColorLabeler(PUBLISHED)
    template = cloud(np.random.default_rng(0).gamma(1.0, 1.0, (3, 3)), ("A", "", "B"))
    found = labeler.evidence(labeler.fit([template]), template.without_names(), ())
    assert isinstance(found, Evidence)
    assert found.names == ("A", "?1", "B")


@pytest.mark.real_data
@pytest.mark.skipif(DATA is None, reason="TRACKBENCH_DATA is not set")
def test_training_gives_the_shipped_model(tmp_path):
    from trackbench.plugins.color.training import train

    train(Path(DATA), tmp_path / "color.safetensors")
    made = load_weights(tmp_path / "color.safetensors", kind="color", version=1)
    kept = ColorLabeler().fit(())
    assert made.trained_on == kept.trained_on
    for name, tensor in kept.tensors.items():
        np.testing.assert_allclose(made.tensors[name], tensor, atol=1e-5)


@pytest.mark.real_data
@pytest.mark.skipif(DATA is None, reason="TRACKBENCH_DATA is not set")
def test_color_alone_on_the_published_pair():
    """2 of 48 common neurons, as measured for the published rule without positions."""
    from trackbench.datasets.neuropal import NeuroPAL

    case = next(iter(NeuroPAL().cases("fdnc-example", "test", Path(DATA))))
    template = case.templates[0]
    scores = negative_divergence(case.test.color, template.color)
    quantiles = np.quantile(scores, [0.0, 0.1, 0.5, 0.9])
    np.testing.assert_allclose(quantiles, [-2.95, -0.87, -0.24, -0.03], atol=0.005)
    pairs = zip(*linear_sum_assignment(-scores), strict=True)
    assert sum(case.truth.names[i] == template.names[j] != "" for i, j in pairs) == 2
