import numpy as np
import pytest

from trackbench.core.atlas import (
    NamedPoints,
    align_to_means,
    anatomical_means,
    anatomical_rotation,
    common_names,
    gaussians_by_name,
    mean_by_name,
    named_points,
    presence_by_name,
    procrustes_means,
)
from trackbench.core.types import PointCloud

NAMES = tuple(
    f"{pair}{side}" for pair in ("I1", "OLQD", "AVA", "ASK", "RIM", "SMD") for side in "LR"
)


def anatomy():
    """Pairs along the body: left at negative z, the I neurons in front, slightly dorsal."""
    along = np.repeat([-50.0, -20.0, 0.0, 15.0, 30.0, 60.0], 2)
    left = np.tile([-5.0, 5.0], 6)
    dorsal = np.repeat([-1.0, -6.0, 2.0, -4.0, 3.0, 5.0], 2)
    return np.column_stack([left, dorsal, along])


def turned(points, seed, noise=0.3):
    rng = np.random.default_rng(seed)
    q, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    moved = points @ (q * np.sign(np.linalg.det(q))).T + rng.normal(size=3) * 50.0
    return moved + noise * rng.normal(size=points.shape)


def worms(count=6, noise=0.3):
    index = np.arange(len(NAMES))
    return [NamedPoints(turned(anatomy(), seed, noise), index) for seed in range(count)]


def test_means_recover_the_anatomy_up_to_pose():
    means = procrustes_means(worms(), len(NAMES))
    back = align_to_means(NamedPoints(anatomy(), np.arange(len(NAMES))), means, ridge=np.inf)
    np.testing.assert_allclose(back(anatomy()), means, atol=1.0)


def test_repeated_affine_fits_do_not_shrink_the_atlas():
    means = procrustes_means(worms(12, noise=2.0), len(NAMES), rounds=40)
    assert np.std(means) == pytest.approx(np.std(anatomy() - np.median(anatomy(), 0)), rel=0.05)


def test_the_anatomical_frame_has_left_to_right_first_and_the_tail_last():
    means = anatomical_means(worms(), NAMES)
    at = dict(zip(NAMES, means, strict=True))
    assert at["AVAR"][0] - at["AVAL"][0] == pytest.approx(10.0, abs=1.0)
    assert at["SMDL"][2] > at["I1L"][2] + 100.0
    assert at["OLQDL"][1] < at["SMDL"][1]


def test_the_anatomical_frame_is_a_rotation():
    rows = anatomical_rotation(procrustes_means(worms(), len(NAMES)), NAMES)
    np.testing.assert_allclose(rows @ rows.T, np.eye(3), atol=1e-9)
    assert np.linalg.det(rows) == pytest.approx(1.0)


def test_names_without_worms_have_no_mean():
    one = NamedPoints(np.zeros((2, 3)), np.array([1, -1]))
    means = mean_by_name([one.zyx_um], [one], 3)
    assert np.isnan(means[[0, 2]]).all()
    np.testing.assert_array_equal(means[1], 0.0)


def test_covariances_lie_between_their_own_and_the_pooled_one():
    rng = np.random.default_rng(0)
    wide = [NamedPoints(rng.normal(size=(2, 3)) * [[5.0], [1.0]], np.arange(2)) for _ in range(200)]
    means, cov = gaussians_by_name([worm.zyx_um for worm in wide], wide, 2)
    assert means.shape == (2, 3)
    assert 23.0 < np.trace(cov[0]) / 3 < 26.0
    assert 0.8 < np.trace(cov[1]) / 3 < 1.6


def test_a_name_seen_once_gets_the_pooled_covariance():
    rng = np.random.default_rng(0)
    many = [NamedPoints(rng.normal(size=(1, 3)), np.array([0])) for _ in range(50)]
    single = NamedPoints(rng.normal(size=(1, 3)), np.array([1]))
    _, cov = gaussians_by_name([w.zyx_um for w in (*many, single)], [*many, single], 2)
    _, pooled = gaussians_by_name([w.zyx_um for w in many], many, 1)
    np.testing.assert_allclose(cov[1], pooled[0], rtol=1e-6)


def test_presence_is_a_share_that_is_never_0_or_1():
    seen = [NamedPoints(np.zeros((1, 3)), np.array([0])) for _ in range(8)]
    np.testing.assert_allclose(presence_by_name(seen, 2), [0.9, 0.1])


def test_a_mirrored_recording_is_unmirrored():
    points = np.arange(6.0).reshape(2, 3)
    plain = named_points(PointCloud(points, names=("A", "")), ("A",))
    other = named_points(PointCloud(points, names=("A", ""), mirrored=True), ("A",))
    np.testing.assert_array_equal(other.zyx_um, plain.zyx_um * [-1.0, 1.0, 1.0])
    np.testing.assert_array_equal(plain.index, [0, -1])


def test_common_names_are_those_of_enough_worms():
    clouds = [PointCloud(np.zeros((2, 3)), names=names) for names in (("B", "A"), ("B", "C"))]
    assert common_names(clouds) == ("B",)
    assert common_names(clouds, fewest=1) == ("A", "B", "C")
