import numpy as np
import pytest

from trackbench.core.atlas import NamedPoints
from trackbench.plugins.identity.asymmetry import differences, partners, symmetric
from trackbench.plugins.identity.asymmetry_fit import fit_asymmetry
from trackbench.plugins.identity.search import MIRROR

PAIRED = tuple(f"P{i}{side}" for i in range(8) for side in "LR")
ALONE = tuple(f"U{i}" for i in range(6))
NAMES = PAIRED + ALONE
PARTNER = partners(NAMES)
ASIDE_UM = np.array([5.0, -4.0, 0.0, 0.0, 0.0, 0.0])
"""How far the neurons without a partner lie off the midline: four of them don't."""


@pytest.fixture(scope="module")
def means():
    rng = np.random.default_rng(0)
    left = rng.normal(size=(8, 3)) * [3.0, 8.0, 40.0] - [9.0, 0.0, 0.0]
    paired = np.stack([left, left * MIRROR], axis=1).reshape(-1, 3)
    alone = np.column_stack([ASIDE_UM, rng.normal(size=(6, 2)) * [8.0, 40.0]])
    return np.vstack([paired, alone])


def worm(means, seed, *, mirrored=False):
    """Draw a worm; a mirrored one is named as its mirror image."""
    places = means + np.random.default_rng(seed).normal(size=means.shape)
    if mirrored:
        places = places[PARTNER] * MIRROR
    return NamedPoints(places, np.arange(len(NAMES)))


def log_p(count):
    """Tables in which every neuron has its own name, nearly certain."""
    table = np.full((count, len(NAMES) + 1), 1e-4)
    table[np.arange(count), np.arange(count)] = 1.0
    return np.log(table / table.sum(axis=1, keepdims=True))


@pytest.fixture(scope="module")
def fitted(means):
    return fit_asymmetry([worm(means, seed) for seed in range(12)], NAMES, means)


def test_partners_are_each_others():
    assert list(partners(("AVAL", "AVAR", "AVL", "M5", "ASKR"))) == [1, 0, 2, 3, 4]
    np.testing.assert_array_equal(PARTNER[PARTNER], np.arange(len(NAMES)))


def test_a_symmetric_atlas_is_its_own_mirror_image(means):
    places = symmetric(means + 7.0, PARTNER)
    np.testing.assert_allclose(places[PARTNER] * MIRROR, places, atol=1e-9)
    between = np.linalg.norm(places[:, None] - places, axis=2)
    wanted = np.linalg.norm(means[:, None] - means, axis=2)
    assert np.abs(between - wanted)[:16, :16].max() < 2.0


def test_a_mirror_image_has_the_opposite_differences(means):
    places, rows, sure = symmetric(means, PARTNER), np.arange(len(NAMES)), np.ones(len(NAMES))
    one, two = (
        differences(worm(means, 1, mirrored=mirrored).zyx_um, rows, places, PARTNER, sure)
        for mirrored in (False, True)
    )
    np.testing.assert_allclose(one, -two, atol=1e-6)


def test_a_missing_partner_leaves_no_difference(means):
    places, rows = symmetric(means, PARTNER), np.arange(1, len(NAMES))
    found = differences(means[1:], rows, places, PARTNER, np.ones(len(rows)))
    assert np.isnan(found[:2]).all()
    assert np.isfinite(found[2:]).all()


def test_the_mean_is_what_lies_off_the_midline(fitted):
    off = fitted.mean[16:, 0]
    assert off[0] > 3.0
    assert off[1] < -2.0
    assert np.abs(fitted.mean[:16]).max() < 1.0


def test_each_difference_counts_once(fitted):
    known = np.isfinite(fitted.variance)
    assert known[0:16:2].all()
    assert not known[1:16:2].any()
    assert known[16:, 0].all()
    assert not known[16:, 1:].any()


@pytest.mark.parametrize("seed", range(20, 26))
def test_new_worms_and_their_mirror_images_are_told_apart(fitted, means, seed):
    table = log_p(len(NAMES))
    for mirrored in (False, True):
        support = fitted.support(worm(means, seed, mirrored=mirrored).zyx_um, table)
        assert (support < -3.0) if mirrored else (support > 3.0)


def test_doubtful_names_are_weak_evidence(fitted, means):
    sure = log_p(len(NAMES))
    unsure = np.log(0.5 * np.exp(sure) + 0.5 / sure.shape[1])
    places = worm(means, 30).zyx_um
    assert 0.0 < fitted.support(places, unsure) < 0.8 * fitted.support(places, sure)


def test_few_names_say_nothing(fitted, means):
    assert fitted.support(means[:7], log_p(7)) == 0.0
    none = np.log(np.full((30, len(NAMES) + 1), 1.0 / (len(NAMES) + 1)))
    assert fitted.support(np.zeros((30, 3)), none) == 0.0


def test_worms_named_as_their_mirror_image_hardly_count(fitted, means):
    mixed = [worm(means, seed, mirrored=seed < 2) for seed in range(12)]
    found = fit_asymmetry(mixed, NAMES, means)
    moved = np.abs(found.mean[16:18, 0] - fitted.mean[16:18, 0])
    counted_in_full = np.abs(fitted.mean[16:18, 0]) * 2 * 2 / 12
    assert (moved < 0.5 * counted_in_full).all()
