import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trackbench.core.evidence import label
from trackbench.core.types import PointCloud
from trackbench.plugins.nerve import (
    NerveConfig,
    NerveLabeler,
    NerveLabelerConfig,
    NerveMatcher,
)
from trackbench.plugins.nerve.bending import bendable
from trackbench.plugins.nerve.frames import body_frame, poses

NAMES = tuple(f"N{i:02d}" for i in range(60))


def worm(seed=0, n=60):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, 3)) * [9.0, 8.0, 30.0]


def bent(points, amount, turn=0.0, noise=0.0, seed=1):
    """Bend in the imaging plane into a C, turn about the optical axis, move, add noise."""
    rng = np.random.default_rng(seed)
    z, y, x = points.T
    y = y + amount * (x / 30.0) ** 2
    moved = np.stack([z, y, x], axis=1) + noise * rng.normal(size=points.shape)
    c, s = np.cos(turn), np.sin(turn)
    return moved @ np.array([[1, 0, 0], [0, c, -s], [0, s, c]]) + [3.0, -20.0, 50.0]


def accuracy(match, partner):
    return float((match.log_p[:, :-1].argmax(axis=1) == partner).mean())


@pytest.mark.parametrize("turn", [0.0, 0.7, np.pi / 2, np.pi, 4.0])
def test_a_bent_and_turned_worm_is_found(turn):
    order = np.random.default_rng(5).permutation(60)
    test = PointCloud(bent(worm(), 6.0, turn, 0.3)[order])
    matcher = NerveMatcher()
    found = matcher.match(matcher.prepare(PointCloud(worm())), [test])[0]
    assert accuracy(found, order) > 0.9


def test_roll_needs_rolls():
    c, s = np.cos(2.1), np.sin(2.1)
    rolled = worm() @ np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])
    scores = []
    for rolls in (1, 8):
        matcher = NerveMatcher(NerveConfig(rolls=rolls))
        found = matcher.match(matcher.prepare(PointCloud(worm())), [PointCloud(rolled)])[0]
        scores.append(accuracy(found, np.arange(60)))
    assert scores[1] > 0.9 > scores[0]


def test_spurious_neurons_have_no_partner():
    far = np.random.default_rng(2).uniform([59, -1, -1], [61, 1, 1], size=(10, 3))
    test = PointCloud(np.concatenate([worm(), far]))
    matcher = NerveMatcher()
    found = matcher.match(matcher.prepare(PointCloud(worm())), [test])[0]
    assert (found.log_p[60:].argmax(axis=1) == 60).all()
    assert accuracy(type(found)(found.log_p[:60]), np.arange(60)) > 0.9


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 10_000))
def test_permutation_moves_rows_and_columns(seed):
    rng = np.random.default_rng(seed)
    rows, columns = rng.permutation(60), rng.permutation(60)
    test, matcher = bent(worm(), 4.0, 0.5, 0.5), NerveMatcher()
    plain = matcher.match(matcher.prepare(PointCloud(worm())), [PointCloud(test)])[0]
    mixed = matcher.match(matcher.prepare(PointCloud(worm()[columns])), [PointCloud(test[rows])])[0]
    wanted = plain.log_p[rows][:, [*columns, 60]]
    np.testing.assert_allclose(np.exp(mixed.log_p), np.exp(wanted), atol=2e-2)


def test_batching_does_not_change_the_answer():
    matcher = NerveMatcher()
    prepared = matcher.prepare(PointCloud(worm()))
    tests = [PointCloud(bent(worm(n=n), 3.0, 0.3, 0.4)) for n in (60, 45, 52)]
    together = matcher.match(prepared, tests)
    for test, found in zip(tests, together, strict=True):
        alone = matcher.match(prepared, [test])[0]
        np.testing.assert_allclose(np.exp(found.log_p), np.exp(alone.log_p), atol=1e-2)


@pytest.mark.parametrize("n_test", [0, 1, 2, 5])
@pytest.mark.parametrize("n_template", [0, 1, 3, 6])
def test_tiny_clouds(n_test, n_template):
    matcher = NerveMatcher()
    prepared = matcher.prepare(PointCloud(worm(n=n_template)))
    tests = [PointCloud(worm(n=n_test)), PointCloud(worm(n=2))]
    found = matcher.match(prepared, tests)
    assert found[0].log_p.shape == (n_test, n_template + 1)


def test_coincident_and_collinear_neurons():
    line = np.outer(np.arange(20.0), [0.0, 1.0, 2.0])
    matcher = NerveMatcher()
    found = matcher.match(matcher.prepare(PointCloud(line)), [PointCloud(np.zeros((5, 3)))])[0]
    assert np.isfinite(found.log_p).all()


@given(st.floats(-50, 50), st.floats(0, 6))
def test_body_frame_does_not_depend_on_shift_and_turn(shift, turn):
    plain, moved = body_frame(worm()), body_frame(bent(worm(), 0.0, turn) + shift)
    same_end = np.abs(plain - moved).max()
    other_end = np.abs(plain - moved * [1, -1, -1]).max()
    assert min(same_end, other_end) < 1e-6


def test_poses_are_proper_rotations():
    found = poses(6).numpy().astype(float)
    np.testing.assert_allclose(np.linalg.det(found), 1, atol=1e-6)
    assert len(np.unique(found.round(5), axis=0)) == 12


def test_bending_energy_grows_with_the_mode():
    plate = bendable(worm(), 20)
    energy = plate.energy[0].numpy()
    assert energy[0] == 0
    assert (energy[1:4] > 0).all()
    assert (np.diff(energy[4:]) >= 0).all()
    assert energy[4] > 0


def recording(unlabeled=12):
    """One labeled volume with two unnamed neurons, and bent ones with nothing said of names."""
    named = PointCloud(worm(), names=(*NAMES[:58], "", ""), id="0")
    volumes = [
        PointCloud(bent(worm(), a, a / 3, 0.4, seed=i), id=str(i))
        for i, a in enumerate(np.linspace(-9, 9, unlabeled), 1)
    ]
    return [*volumes, named]


def test_a_recording_names_a_new_volume():
    labeler = NerveLabeler()
    order = np.random.default_rng(3).permutation(60)
    test = PointCloud(bent(worm(), 7.0, 1.0, 0.4, seed=99)[order])
    found = labeler.evidence(labeler.fit(recording()), test, [])
    assert found.names[:58] == NAMES[:58]
    labels = label(found)
    truth = [*NAMES[:58], "", ""]
    right = [labels.names[row] == truth[i] for row, i in enumerate(order) if truth[i]]
    assert np.mean(right) > 0.9


def test_more_volumes_help_where_the_posture_differs():
    test = PointCloud(bent(worm(), 24.0, 0.4, 0.6, seed=7))
    volumes = recording()
    volumes[:-1] = [
        PointCloud(bent(worm(), a, a / 3, 0.6, seed=i))
        for i, a in enumerate((4, 8, 12, 16, 20, 24))
    ]
    p = []
    for references in (volumes[-1:], volumes):
        labeler = NerveLabeler(NerveLabelerConfig(prefer_named=0))
        found = labeler.evidence(labeler.fit(references), test, [])
        p.append(np.exp(found.log_p[range(58), range(58)]).mean())
    assert p[1] > p[0]


def test_names_of_other_volumes_are_certain_and_new_names_are_added():
    volumes = recording(2)
    volumes[0] = PointCloud(volumes[0].zyx_um, names=("NEW", *("",) * 59), id="1")
    labeler = NerveLabeler()
    fitted = labeler.fit(volumes)
    assert "NEW" in fitted.names
    assert fitted.members[0, 0, fitted.names.index("NEW")] == 1


def test_the_recording_of_an_empty_test():
    labeler = NerveLabeler()
    found = labeler.evidence(labeler.fit(recording(1)), PointCloud(np.zeros((0, 3))), [])
    assert found.log_p.shape == (0, 61)
