import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trackbench.core.geometry import (
    AffineMap,
    distances,
    fit_affine,
    fit_rigid,
    fit_thin_plate,
    pose_starts,
    principal_axes,
)

SEEDS = st.integers(0, 10_000)


def cloud(seed, count=30):
    return np.random.default_rng(seed).normal(size=(count, 3)) * [6.0, 6.0, 35.0]


def rotation(seed):
    q, _ = np.linalg.qr(np.random.default_rng(seed).normal(size=(3, 3)))
    return q * np.sign(np.linalg.det(q))


@given(SEEDS)
@settings(max_examples=25)
def test_rigid_fit_finds_rotation_and_shift(seed):
    x, turn = cloud(seed), rotation(seed + 1)
    fit = fit_rigid(x, x @ turn.T + [3.0, -2.0, 8.0])
    np.testing.assert_allclose(fit.matrix, turn, atol=1e-8)
    np.testing.assert_allclose(fit.offset, [3.0, -2.0, 8.0], atol=1e-7)


@given(SEEDS)
@settings(max_examples=25)
def test_rigid_fit_never_reflects(seed):
    x = cloud(seed)
    assert np.linalg.det(fit_rigid(x, x * [-1.0, 1.0, 1.0]).matrix) == pytest.approx(1.0)


def test_scaled_fit_finds_the_scale():
    x, turn = cloud(0), rotation(1)
    fit = fit_rigid(x, 1.7 * x @ turn.T, scaled=True)
    np.testing.assert_allclose(fit.matrix, 1.7 * turn, atol=1e-8)


def test_weights_silence_an_outlier():
    x = cloud(0)
    y = x + 1.0
    y[0] += 500.0
    weights = np.ones(len(x))
    weights[0] = 0.0
    np.testing.assert_allclose(fit_rigid(x, y, weights).offset, 1.0, atol=1e-8)


def test_affine_fit_is_exact_without_ridge_and_rigid_with_a_large_one():
    x = cloud(0)
    matrix = np.array([[1.1, 0.1, 0.0], [0.0, 0.9, 0.1], [0.05, 0.0, 1.2]])
    y = x @ matrix.T + 4.0
    np.testing.assert_allclose(fit_affine(x, y).matrix, matrix, atol=1e-8)
    stiff = fit_affine(x, y, ridge=1e12).matrix
    np.testing.assert_allclose(stiff, fit_rigid(x, y).matrix, atol=1e-6)


def test_maps_compose_and_invert():
    first = AffineMap(rotation(0) * 1.2, np.array([1.0, 2.0, 3.0]))
    second = AffineMap(rotation(1), np.array([-1.0, 0.0, 5.0]))
    x = cloud(2)
    np.testing.assert_allclose(second.after(first)(x), second(first(x)))
    np.testing.assert_allclose(first.inverse()(first(x)), x, atol=1e-9)


def test_thin_plate_interpolates_and_smoothing_leaves_an_affine_map():
    x = cloud(0)
    y = x + 3.0 * np.sin(x / 10.0)
    np.testing.assert_allclose(fit_thin_plate(x, y)(x), y, atol=1e-6)
    smooth = fit_thin_plate(x, y, smoothing=1e6)
    np.testing.assert_allclose(smooth(x), fit_affine(x, y)(x), atol=0.01)


def test_thin_plate_of_an_affine_map_does_not_bend():
    x, far = cloud(0), cloud(1) * 3.0
    move = AffineMap(rotation(2) * 0.9, np.array([5.0, 0.0, 1.0]))
    np.testing.assert_allclose(fit_thin_plate(x, move(x))(far), move(far), atol=1e-6)


def test_distances_match_the_definition():
    a, b = cloud(0), cloud(1, 7)
    wanted = np.linalg.norm(a[:, None] - b[None], axis=2)
    np.testing.assert_allclose(distances(a, b), wanted, atol=1e-6)


def test_principal_axes_are_a_proper_frame_with_the_longest_last():
    axes = principal_axes(cloud(0, 500) @ rotation(3).T)
    np.testing.assert_allclose(axes @ axes.T, np.eye(3), atol=1e-9)
    assert np.linalg.det(axes) == pytest.approx(1.0)
    np.testing.assert_allclose(np.abs(axes[2]), np.abs(rotation(3)[:, 2]), atol=0.1)


def test_a_start_pose_is_near_any_true_pose():
    x = cloud(0, 200)
    x = x - np.median(x, axis=0)
    for seed in range(10):
        starts = pose_starts(x @ rotation(seed).T + 40.0, 8)
        assert starts.shape == (16, 200, 3)
        error = np.sqrt(np.square(starts - x).sum(axis=2).mean(axis=1))
        # half the roll step of 45 degrees at 8.5 µm from the axis, and slightly tilted axes
        assert error.min() < 5.0


def test_start_poses_keep_the_handedness():
    x = cloud(0, 50)
    for pose in pose_starts(x, 4):
        fit = fit_affine(x, pose)
        assert np.linalg.det(fit.matrix) == pytest.approx(1.0)
