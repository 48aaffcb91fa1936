import os
from pathlib import Path

import numpy as np
import pytest

from trackbench.core.alignment import align
from trackbench.core.atlas import NamedPoints
from trackbench.core.atlas_scorer import Scorer
from trackbench.core.evidence import label
from trackbench.core.keys import animal_key
from trackbench.core.pipeline import fit_labelers, label_test
from trackbench.core.statistical_atlas import StatisticalAtlas, fit_atlas, fit_published
from trackbench.core.types import PointCloud
from trackbench.core.weights import load_weights, save_weights
from trackbench.errors import InputError
from trackbench.plugins.atlas import AtlasConfig, AtlasLabeler

DATA = os.environ.get("TRACKBENCH_DATA")


@pytest.fixture(scope="module")
def shipped():
    labeler = AtlasLabeler()
    return labeler.fit(())


def drawn_worm(atlas, seed, count=90, noise=1.0):
    """A worm drawn from the atlas itself, in any pose; raw colors on another scale."""
    rng = np.random.default_rng(seed)
    rows = rng.choice(
        len(atlas.names), count, replace=False, p=atlas.presence / atlas.presence.sum()
    )
    points = atlas.position[rows] + noise * rng.normal(size=(count, 3))
    colors = 300.0 * np.sinh(atlas.color[rows] + 1.5 + 0.1 * rng.normal(size=(count, 3))) + 40.0
    turn, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    turn *= np.sign(np.linalg.det(turn))
    names = tuple(atlas.names[row] for row in rows)
    return PointCloud(points @ turn.T + 100.0, colors, mirrored=False), names


def top1(labeler, test, names):
    labels, _ = label_test(fit_labelers([labeler], ()), test, ())
    return np.mean([given == true for given, true in zip(labels.names, names, strict=True)])


@pytest.mark.parametrize("seed", range(3))
def test_a_worm_of_the_atlas_is_named_in_any_pose(shipped, seed):
    test, names = drawn_worm(shipped, seed)
    assert top1(AtlasLabeler(), test, names) > 0.9


def test_a_mirrored_recording_is_named_when_it_says_so(shipped):
    test, names = drawn_worm(shipped, 0)
    mirrored = PointCloud(test.zyx_um * [1.0, -1.0, 1.0], test.color, mirrored=True)
    assert top1(AtlasLabeler(), mirrored, names) > 0.9


def test_colors_find_the_handedness_when_it_is_not_known(shipped):
    test, names = drawn_worm(shipped, 0)
    for sign in (1.0, -1.0):
        unknown = PointCloud(test.zyx_um * [1.0, 1.0, sign], test.color)
        assert top1(AtlasLabeler(), unknown, names) > 0.9


def test_colors_help(shipped):
    test, names = drawn_worm(shipped, 1, noise=2.0)
    bare = PointCloud(test.zyx_um, mirrored=False)
    assert top1(AtlasLabeler(), test, names) > top1(AtlasLabeler(), bare, names)


def test_the_likelihood_counts_the_determinant(shipped):
    test, _ = drawn_worm(shipped, 0)
    found = align(shipped, test.zyx_um.astype(float), None, False, AtlasConfig())
    scorer = Scorer.of(shipped, AtlasConfig())
    joint = scorer.joint(found.zyx_um, scorer.color_scores(None, len(test)))
    wanted = np.logaddexp.reduce(joint, axis=1).sum() + len(test) * found.log_volume
    assert found.log_likelihood == pytest.approx(wanted)
    spread = [np.linalg.slogdet(np.cov(points.T))[1] for points in (found.zyx_um, test.zyx_um)]
    assert found.log_volume == pytest.approx((spread[0] - spread[1]) / 2, abs=1e-6)


def test_a_point_far_from_the_atlas_is_none_of_the_names(shipped):
    scorer = Scorer.of(shipped, AtlasConfig())
    far = np.array([[300.0, 0.0, 0.0]])
    assert scorer.joint(far, np.zeros((1, len(shipped.names)))).argmax() == len(shipped.names)


def test_without_color_all_colors_are_the_same(shipped):
    scorer = Scorer.of(shipped, AtlasConfig())
    np.testing.assert_array_equal(scorer.color_scores(None, 4), 0.0)


def test_fitted_gaussians_are_those_of_the_worms():
    rng = np.random.default_rng(0)
    worms = [
        NamedPoints(rng.normal([0, 5, 10], 2.0, (1, 3)), np.array([0]), rng.normal(0, 1, (1, 3)))
        for _ in range(400)
    ]
    atlas = fit_atlas(worms, ("A",))
    np.testing.assert_allclose(atlas.position[0], [0, 5, 10], atol=0.4)
    np.testing.assert_allclose(atlas.position_cov[0], 4.5 * np.eye(3), atol=0.8)


def test_the_published_variant_is_the_mahalanobis_distance_to_the_references():
    rng = np.random.default_rng(0)
    names = ("A", "B", "C", "D", "E")
    mean = rng.normal(size=(5, 3)) * 20.0
    hue = rng.normal(size=(5, 3)) * 5.0
    references = [
        PointCloud(mean + rng.normal(size=(5, 3)), hue + rng.normal(size=(5, 3)), names)
        for _ in range(12)
    ]
    test = PointCloud(mean[::-1], hue[::-1])
    labeler = AtlasLabeler(AtlasConfig(variant="statatlas"))
    table = labeler.evidence(labeler.fit(references), test, ())
    atlas = fit_published(references)
    off = np.concatenate([test.zyx_um[0] - atlas.position[1], test.color[0] - atlas.color[1]])
    distance = sum(
        part @ np.linalg.inv(cov) @ part
        for part, cov in ((off[:3], atlas.position_cov[1]), (off[3:], atlas.color_cov[1]))
    )
    assert table.log_p[0, 4] - table.log_p[0, 1] == pytest.approx(
        0.5 * distance - 0.5 * mahalanobis(atlas, test, 0, 4), rel=1e-3
    )
    assert [table.names[j] for j in table.log_p.argmax(axis=1)] == list(names[::-1])


def test_the_published_variant_names_worms_that_are_far_off():
    rng = np.random.default_rng(1)
    names = ("A", "B", "C", "D", "E")
    mean = np.arange(5.0)[:, None] * [0.0, 0.0, 20.0]
    references = [
        PointCloud(mean + 0.3 * rng.normal(size=(5, 3)), rng.normal(size=(5, 3)), names)
        for _ in range(12)
    ]
    test = PointCloud(mean + np.array([15.0, 0.0, 0.0]), np.zeros((5, 3)))
    labeler = AtlasLabeler(AtlasConfig(variant="statatlas"))
    assert label(labeler.evidence(labeler.fit(references), test, ())).names == names


def mahalanobis(atlas, test, row, name):
    parts = (
        (test.zyx_um[row] - atlas.position[name], atlas.position_cov[name]),
        (test.color[row] - atlas.color[name], atlas.color_cov[name]),
    )
    return sum(off @ np.linalg.inv(cov) @ off for off, cov in parts)


def test_the_shipped_atlas_saw_the_train_worms():
    assert len(AtlasLabeler().trained_on) == 55


def test_an_atlas_survives_its_file(shipped, tmp_path):
    path = tmp_path / "atlas.safetensors"
    about = {"names": list(shipped.names)}
    save_weights(path, shipped.arrays(), kind="atlas", version=1, about=about, trained_on=["a"])
    again = StatisticalAtlas.from_weights(load_weights(path, kind="atlas", version=1))
    np.testing.assert_array_equal(again.position_cov, shipped.position_cov)
    assert AtlasLabeler(AtlasConfig(weights=path)).trained_on == {"a"}


def test_a_missing_weights_file_is_one_line(tmp_path):
    with pytest.raises(InputError, match="no such weights file"):
        AtlasLabeler(AtlasConfig(weights=tmp_path / "none.safetensors")).fit(())


@pytest.mark.real_data
@pytest.mark.skipif(DATA is None, reason="TRACKBENCH_DATA is not set")
def test_training_gives_the_shipped_atlas(tmp_path):
    from trackbench.datasets.labeled_heads import labeled_heads
    from trackbench.plugins.atlas.training import train

    train(Path(DATA), tmp_path / "atlas.safetensors")
    made = load_weights(tmp_path / "atlas.safetensors", kind="atlas", version=1)
    kept = AtlasLabeler()
    assert made.trained_on == kept.trained_on
    validation = {animal_key(worm.zyx_um) for worm in labeled_heads(Path(DATA), "validation")}
    assert not validation & kept.trained_on
    np.testing.assert_allclose(made.tensors["position"], kept.fit(()).position, atol=1e-3)


@pytest.mark.real_data
@pytest.mark.skipif(DATA is None, reason="TRACKBENCH_DATA is not set")
def test_real_validation_worms_are_named():
    from trackbench.datasets.neuropal import NeuroPAL

    cases = list(NeuroPAL().cases("wormnd", "validation", Path(DATA)))[:3]
    scores = []
    for case in cases:
        labels, _ = label_test(fit_labelers([AtlasLabeler()], ()), case.test, ())
        named = [i for i, name in enumerate(case.truth.names) if name]
        scores.append(np.mean([labels.names[i] == case.truth.names[i] for i in named]))
    assert np.mean(scores) > 0.55
