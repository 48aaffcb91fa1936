"""Deformations: what a fit recovers, how volumes follow points."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist

from trackbench.core.deformation import (
    chain,
    fit_in_plane,
    fit_soft,
    inverse,
    part_way,
    sampling_grid,
    warp,
)
from trackbench.core.geometry import IDENTITY_MAP, AffineMap, fit_thin_plate

SEEDS = st.integers(0, 10_000)
FEW = settings(max_examples=10, deadline=None)


def worm(rng, n=80):
    return rng.uniform([0, 0, 0], [20, 40, 140], (n, 3))


def bent(points):
    z, y, x = points.T
    swing = 6 * np.sin(2 * np.pi * x / 180) + 0.15 * z
    return np.stack([z + 1.5, y + swing, x + 2 * np.cos(2 * np.pi * x / 200)], axis=1)


def turned(angle, shift=(1.0, -4.0, 7.0)):
    cos, sin = np.cos(angle), np.sin(angle)
    return AffineMap(np.array([[1.0, 0, 0], [0, cos, -sin], [0, sin, cos]]), np.array(shift))


def errors(deformation, source, target):
    return np.linalg.norm(deformation(source) - target, axis=1)


@FEW
@given(SEEDS)
def test_a_bend_is_recovered(seed):
    points = worm(np.random.default_rng(seed))
    fitted = fit_in_plane(points, bent(points))
    assert np.median(errors(fitted, points, bent(points))) < 0.5


@FEW
@given(SEEDS, st.floats(-1.2, 1.2))
def test_a_turned_recording_gives_the_same_answer(seed, angle):
    points = worm(np.random.default_rng(seed))
    turn = turned(angle)
    straight = fit_in_plane(points, bent(points))(points)
    after = fit_in_plane(turn(points), bent(points))(turn(points))
    assert np.abs(after - straight).max() < 0.5


@FEW
@given(SEEDS)
def test_a_third_of_wrong_pairs_costs_little(seed):
    rng = np.random.default_rng(seed)
    points = worm(rng)
    said = bent(points)
    wrong = rng.permutation(len(points))[:27]
    said[wrong] += rng.normal(0, 8, (27, 3))
    fitted = fit_in_plane(points, said)
    assert np.median(errors(fitted, points, bent(points))) < 1.5


def test_a_weight_of_zero_silences_a_pair():
    points = worm(np.random.default_rng(0))
    said, weights = bent(points), np.ones(len(points))
    said[:10], weights[:10] = said[:10] + 5.0, 0.0
    fitted = fit_in_plane(points, said, weights)
    assert np.median(errors(fitted, points, bent(points))) < 0.5


@pytest.mark.parametrize("n", [2, 3, 5])
def test_few_pairs_give_a_finite_map(n):
    points = worm(np.random.default_rng(1), n)
    assert np.isfinite(fit_in_plane(points, bent(points))(worm(np.random.default_rng(2)))).all()


def test_places_mend_what_guesses_have_wrong():
    """Most guesses name a neighbour; where the points are tells that they are wrong."""
    rng = np.random.default_rng(3)
    places = worm(rng, 60)
    found = places + np.array([0.0, 5.0, 3.0])
    beyond = cdist(places, places + np.array([0.0, 0.0, 6.0]))
    guess = beyond.argmin(axis=0)
    prior = np.full((60, 61), np.log(0.1 / 58))
    prior[np.arange(60), guess] = np.log(0.5)
    prior[np.arange(60), np.arange(60)] = np.log(0.3)
    prior[:, -1] = np.log(0.1)
    literal = fit_in_plane(found, places[guess])
    soft = fit_soft(found, prior, places, literal)
    assert np.median(errors(soft, found, places)) < 0.5 * np.median(errors(literal, found, places))
    assert np.median(errors(soft, found, places)) < 1.0


def test_part_of_the_way():
    points = worm(np.random.default_rng(4))
    half = part_way(bent, 0.5)
    assert np.allclose(half(points), (points + bent(points)) / 2)
    assert np.allclose(part_way(bent, 1.0)(points), bent(points))


def test_the_inverse_goes_back():
    points = worm(np.random.default_rng(7))
    assert np.allclose(inverse(bent, bent(points)), points, atol=1e-3)


def test_a_chain_applies_the_first_first():
    points = worm(np.random.default_rng(5))
    turn = turned(0.3)
    assert np.allclose(chain(turn, bent)(points), bent(turn(points)))
    assert np.allclose(chain()(points), points)


def test_no_deformation_leaves_a_volume_as_it_is():
    volume = torch.rand(2, 6, 10, 14)
    grid = sampling_grid(IDENTITY_MAP, (6, 10, 14), (2.0, 1.0, 1.0))
    assert torch.allclose(warp(volume, grid), volume, atol=1e-5)
    labels = torch.randint(0, 9, (1, 6, 10, 14), dtype=torch.int16)
    assert torch.equal(warp(labels, grid, labels=True), labels)


def test_a_volume_is_shifted_backward_and_empty_outside():
    volume = torch.zeros(1, 4, 12, 12)
    volume[0, 1, 5, 6] = 1.0
    shift = AffineMap(np.eye(3), np.array([2.0, 0.0, -3.0]))
    warped = warp(volume, sampling_grid(shift, (4, 12, 12), (2.0, 1.0, 1.0)))
    assert warped[0, 0, 5, 9] == pytest.approx(1.0, abs=1e-4)
    assert float(warped.sum()) == pytest.approx(1.0, abs=1e-4)
    assert (
        float(
            warp(torch.ones(1, 4, 12, 12), sampling_grid(shift, (4, 12, 12), 1.0))[0, :, :, 0].max()
        )
        == 0
    )


@pytest.mark.parametrize("kind", ["waves", "thin plate"])
def test_a_volume_follows_its_points(kind):
    """A bright voxel lands where the inverse of the backward map puts it."""
    rng = np.random.default_rng(6)
    points = worm(rng, 40) * [0.5, 1, 0.5]
    goal = bent(points)
    fit = fit_in_plane if kind == "waves" else fit_thin_plate
    backward = fit(goal, points)
    shape, pitch = (10, 56, 80), np.array([1.5, 1.0, 1.0])
    source = points[np.argmin(np.abs(points - [5, 20, 35]).sum(axis=1))]
    z, y, x = np.indices(shape)
    distance = sum(((a * p - c) / 2) ** 2 for a, p, c in zip((z, y, x), pitch, source, strict=True))
    volume = torch.from_numpy(np.exp(-distance)[None]).float()
    warped = warp(volume, sampling_grid(backward, shape, pitch))[0].numpy()
    centre = [(warped * a).sum() / warped.sum() * p for a, p in zip((z, y, x), pitch, strict=True)]
    assert np.linalg.norm(bent(source[None])[0] - centre) < 1.5
