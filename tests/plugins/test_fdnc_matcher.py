"""The matcher with the shipped weights, its weights file, and poses."""

import json

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

from trackbench.core.assignment import assign
from trackbench.core.seeds import generator
from trackbench.core.types import PointCloud
from trackbench.datasets.semisynthetic.pairs import simulated_pair
from trackbench.datasets.semisynthetic.shape import load_shapes
from trackbench.errors import InputError, UsageError
from trackbench.plugins.fdnc import FdncConfig, FdncMatcher
from trackbench.plugins.fdnc.matcher import SHIPPED
from trackbench.plugins.fdnc.points import canonical_points


@pytest.fixture(scope="module")
def matcher():
    return FdncMatcher()


@pytest.fixture(scope="module")
def pairs():
    shapes = load_shapes()
    return [simulated_pair(shapes, 1_000_000 + i, 120) for i in range(6)]


def probabilities(matcher, template, *tests):
    return [np.exp(match.log_p) for match in matcher.match(matcher.prepare(template), tests)]


def accuracy(template, test, p):
    column = {name: j for j, name in enumerate(template.names) if name}
    truth = [(i, column[name]) for i, name in enumerate(test.names) if name in column]
    found = assign(np.log(np.maximum(p, 1e-30)))
    return np.mean([found[i] == j for i, j in truth])


def test_simulated_pairs_are_matched(matcher, pairs):
    scores = [accuracy(a, b, probabilities(matcher, a, b)[0]) for a, b in pairs]
    assert np.mean(scores) > 0.8


def test_a_worm_whose_pose_was_mistaken_is_matched_all_the_same(matcher):
    """The pose network exchanges head and tail of this template; no pose of the test fits it."""
    template, test = simulated_pair(load_shapes(), 1_000_380, 120)
    assert accuracy(template, test, probabilities(matcher, template, test)[0]) > 0.9


def test_rows_and_columns_follow_the_points(matcher, pairs):
    template, test = pairs[0]
    rng = generator("fdnc rows")
    rows, columns = rng.permutation(len(test)), rng.permutation(len(template))
    before = probabilities(matcher, template, test)[0]
    after = probabilities(matcher, template.take(columns), test.take(rows))[0]
    np.testing.assert_array_equal(after, before[rows][:, np.append(columns, len(template))])


def test_a_test_gives_the_same_in_any_batch(matcher, pairs):
    template = pairs[0][0]
    tests = [test for _, test in pairs]
    together = probabilities(matcher, template, *tests)
    for test, p in zip(tests, together, strict=True):
        np.testing.assert_allclose(probabilities(matcher, template, test)[0], p, atol=2e-3)


def test_pose_and_place_hardly_matter(matcher, pairs):
    template, test = pairs[1]
    before = probabilities(matcher, template, test)[0]
    rotation = np.linalg.qr(generator("fdnc pose").standard_normal((3, 3)))[0]
    rotation *= np.sign(np.linalg.det(rotation))
    moved = PointCloud(test.zyx_um @ rotation + 30.0, mirrored=test.mirrored)
    after = probabilities(matcher, template, moved)[0]
    ranked = np.sort(before, axis=1)
    clear = ranked[:, -1] - ranked[:, -2] > 0.3
    assert (before.argmax(1) == after.argmax(1))[clear].mean() > 0.97


def test_known_handedness_is_undone(matcher, pairs):
    template, test = pairs[2]
    before = probabilities(matcher, template, test)[0]
    reflected = PointCloud(test.zyx_um * [-1.0, 1.0, 1.0], mirrored=True)
    np.testing.assert_allclose(probabilities(matcher, template, reflected)[0], before, atol=1e-6)


def test_float32_agrees_with_bfloat16(matcher, pairs):
    template, test = pairs[3]
    exact = FdncMatcher(FdncConfig(precision="float32"))
    one, other = (probabilities(m, template, test)[0] for m in (matcher, exact))
    assert np.abs(one - other).mean() < 2e-3
    assert (one.argmax(1) == other.argmax(1)).mean() > 0.95


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has CUDA")
def test_a_missing_device_is_said(pairs):
    with pytest.raises(UsageError, match="no CUDA"):
        FdncMatcher(FdncConfig(device="cuda")).prepare(pairs[0][0])


def test_the_weights_know_their_worms(matcher):
    assert len(matcher.trained_on) == 55
    assert SHIPPED.stat().st_size < 16 * 2**20
    assert matcher.engine.trained.about["config"]["steps"] > 0


@pytest.mark.real_data
def test_train_worms_are_among_them_and_test_worms_not(matcher):
    import os
    from pathlib import Path

    from trackbench.core.keys import animal_key
    from trackbench.datasets.labeled_heads import labeled_heads

    root = Path(os.environ.get("TRACKBENCH_DATA", "-"))
    if not root.is_dir():
        pytest.skip("TRACKBENCH_DATA names no folder of real worms")
    keys = {
        split: {animal_key(worm.zyx_um) for worm in labeled_heads(root, split)}
        for split in ("train", "validation", "test")
    }
    assert keys["train"] <= matcher.trained_on
    assert not (keys["validation"] | keys["test"]) & matcher.trained_on


def changed(tmp_path, tensors=None, **header):
    """Copy the shipped weights with other tensors or header fields."""
    with safe_open(SHIPPED, framework="pt") as file:
        known = json.loads(file.metadata()["trackbench"])
    from safetensors.torch import load_file as load_torch
    from safetensors.torch import save_file as save_torch

    kept = load_torch(SHIPPED)
    kept.update(tensors or {})
    about = header.pop("about", {})
    known["about"].update(about)
    known.update(header)
    path = tmp_path / "other.safetensors"
    save_torch(kept, path, {"trackbench": json.dumps(known)})
    return path


def refused(path, words):
    with pytest.raises(InputError, match=words):
        _ = FdncMatcher(FdncConfig(weights=path)).engine


def test_weights_that_do_not_fit_are_refused(tmp_path):
    refused(changed(tmp_path, kind="identity"), "not of fdnc")
    refused(changed(tmp_path, version=99), "version 99")
    sizes = {
        "architecture": {
            "width": 96,
            "layers": 6,
            "heads": 4,
            "feed_forward": 384,
            "names": 0,
            "deep": [3],
        }
    }
    refused(changed(tmp_path, about=sizes), "not those of the architecture")
    refused(changed(tmp_path, {"match.extra": torch.zeros(2)}), "not those of the architecture")
    refused(changed(tmp_path, about={"architecture": {"width": 96}}), "not those of")


def test_weights_cut_short_or_of_another_kind_of_file_are_refused(tmp_path):
    short = tmp_path / "short.safetensors"
    short.write_bytes(SHIPPED.read_bytes()[:-1000])
    refused(short, "not a readable safetensors")
    refused(tmp_path / "absent.safetensors", "no such weights file")
    bare = tmp_path / "bare.safetensors"
    save_file({"a": np.zeros(2, np.float32)}, bare)
    assert list(load_file(bare)) == ["a"]
    refused(bare, "not of fdnc")


def test_canonical_points_are_those_of_the_worm(pairs):
    cloud = pairs[0][0]
    points, order = canonical_points(cloud)
    raw = cloud.zyx_um[order].astype(np.float64)
    ours, theirs = (
        np.linalg.norm(x[:, None] - x, axis=2) for x in (points.astype(np.float64), raw)
    )
    np.testing.assert_allclose(ours, theirs, atol=1e-3)
    assert (np.diff(points[:, 2]) >= 0).all()
    assert points.std(axis=0).argmax() == 2
    moved = PointCloud(cloud.zyx_um[::-1] + 5.0)
    np.testing.assert_allclose(canonical_points(moved)[0], points, atol=1e-3)


def test_points_at_one_place_along_the_axis_are_sorted_by_the_others():
    z, y, x = [1.0, -1.0] * 4, [1, 1, -2, -2, 1, 1, 0, 0], [0, 0, 1, 1, 2, 2, 10, 10]
    cloud = PointCloud(np.column_stack([z, y, x]))
    points, _ = canonical_points(cloud)
    assert (np.diff(points[:, 2]) == 0).sum() == 4
    for seed in range(20):
        rows = np.random.default_rng(seed).permutation(8)
        again, order = canonical_points(cloud.take(rows))
        np.testing.assert_array_equal(again, points)
        np.testing.assert_array_equal(np.sort(order), np.arange(8))


@pytest.mark.parametrize("n", range(6))
def test_few_points_are_matched_too(matcher, n):
    cloud = PointCloud(generator("few points").normal(size=(n, 3)) * 20.0)
    large = PointCloud(generator("more points").normal(size=(30, 3)) * 20.0)
    assert probabilities(matcher, large, cloud)[0].shape == (n, 31)
    (of_few,) = probabilities(matcher, cloud, large)
    np.testing.assert_allclose(of_few.sum(axis=1), 1, atol=1e-3)
    if n < 4:
        np.testing.assert_allclose(of_few, 1 / (n + 1), rtol=1e-5)
