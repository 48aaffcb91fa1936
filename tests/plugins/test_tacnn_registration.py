"""Labelled neurons on the spots of another frame: bends, clutter, absent neurons, real frames."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trackbench.datasets.calcium import read_labeled_frames
from trackbench.plugins.tacnn.decode import find_neurons
from trackbench.plugins.tacnn.estimate import Reference
from trackbench.plugins.tacnn.frames import fit_canvas, prepare
from trackbench.plugins.tacnn.guide import expected_places, locate
from trackbench.plugins.tacnn.labelled import from_points
from trackbench.plugins.tacnn.registration import find_spots, probability_at, register

SHAPE, PITCH, RADIUS_UM = (12, 48, 96), np.array([2.0, 1.0, 1.0]), 1.6
NEAR_UM = 1.5
FLOOR_WITHOUT_NETWORK = 0.85


def scattered(rng, count=40, apart_um=5.0):
    """Draw places on the canvas (voxels) that keep a distance."""
    places = []
    while len(places) < count:
        place = rng.uniform((3, 10, 12), (9, 38, 84))
        if all(np.linalg.norm((place - other) * PITCH) > apart_um for other in places):
            places.append(place)
    return np.array(places)


def photograph(places, brightness):
    """Draw a spot at each place (voxels)."""
    grid = np.indices(SHAPE).reshape(3, -1).T
    image = np.zeros(SHAPE, np.float32)
    for place, height in zip(places, brightness, strict=True):
        square = np.square((grid - place) * PITCH / (1.6, 1.1, 1.1)).sum(axis=1)
        image = np.maximum(image, height * np.exp(-square / 2).reshape(SHAPE).astype(np.float32))
    return image


def bent(places):
    """Shift a worm along x and bend it, voxels."""
    x = (places[:, 2] - 48) / 40
    return places + np.stack([0.2 + 0 * x, 5 * np.square(x) - 1, 2 + 0 * x], axis=1)


def ignorant(classes):
    """A network that knows nothing: half background, half everybody."""
    probability = np.full((*SHAPE, classes + 1), 0.5 / classes, np.float32)
    probability[..., 0] = 0.5
    return probability


def knowing(places, image, wrong=()):
    """A network that names what is within 3 µm of each place, except for some."""
    probability = np.zeros((*SHAPE, len(places) + 1), np.float32)
    probability[..., 0] = 1.0
    grid = np.indices(SHAPE).reshape(3, -1).T
    apart = np.linalg.norm((grid[:, None] - places) * PITCH, axis=2)
    nearest = apart.argmin(axis=1)
    inside = (apart.min(axis=1) < 3) & ~np.isin(nearest, wrong) & (image.reshape(-1) > 0.05)
    rows = probability.reshape(-1, len(places) + 1)
    rows[inside, 0] = 0.2
    rows[inside, nearest[inside] + 1] = 0.8
    return probability


class Scene:
    """A labelled frame and a bent one, with clutter that nobody labelled."""

    def __init__(self, seed=0, offset=0.0):
        rng = np.random.default_rng(seed)
        self.places = scattered(rng)
        self.brightness = rng.uniform(0.3, 1.0, len(self.places))
        self.moved = bent(self.places)
        self.clutter = rng.uniform((2, 2, 2), (10, 46, 94), (15, 3))
        labels = self.places + np.array([offset, 0, 0])
        classes = np.arange(1, len(labels) + 1)
        image = photograph(self.places, self.brightness)
        self.reference = Reference(image[None], PITCH, classes, labels, RADIUS_UM)

    def image(self, absent=()):
        kept = np.setdiff1d(np.arange(len(self.places)), absent)
        places = np.concatenate([self.moved[kept], self.clutter])
        return photograph(places, np.r_[self.brightness[kept], np.full(len(self.clutter), 0.15)])

    def right(self, zyx_um, offset=0.0):
        truth = (self.moved + np.array([offset, 0, 0])) * PITCH
        return np.linalg.norm(zyx_um - truth, axis=1) <= NEAR_UM


@pytest.mark.parametrize("seed", [0, 1])
def test_a_bent_worm_is_found_among_clutter_by_places_and_brightness_alone(seed):
    scene = Scene(seed)
    spots = find_spots(scene.image(), ignorant(len(scene.places)), PITCH, RADIUS_UM)
    found = register(scene.reference, scene.places * PITCH, spots)
    assert scene.right(found.zyx_um).mean() >= 0.95
    assert found.seen.mean() > 0.9


def test_the_answer_keeps_the_habit_of_who_labelled():
    scene = Scene(offset=1.0)
    spots = find_spots(scene.image(), ignorant(len(scene.places)), PITCH, RADIUS_UM)
    assert np.allclose(scene.reference.light.offset_um, [-2, 0, 0], atol=0.3)
    found = register(scene.reference, scene.places * PITCH, spots)
    assert scene.right(found.zyx_um, offset=1.0).mean() >= 0.95


def test_too_few_spots_leave_the_start():
    scene = Scene()
    dark = np.zeros(SHAPE, np.float32)
    spots = find_spots(dark, ignorant(len(scene.places)), PITCH, RADIUS_UM)
    found = register(scene.reference, scene.places * PITCH, spots)
    assert np.array_equal(found.zyx_um, scene.places * PITCH)
    assert not found.seen.any()


def test_neurons_that_the_network_misses_are_found_by_the_others():
    scene, missed = Scene(), [3, 11, 25]
    image = scene.image()
    probability = knowing(scene.moved, image, wrong=missed)
    alone = find_neurons(probability, image)
    assert not np.isin(np.add(missed, 1), alone.classes).any()
    found = locate(probability, image[None], [scene.reference], 2.0)
    assert found.classes.tolist() == list(range(1, len(scene.places) + 1))
    assert scene.right(found.voxels * PITCH).all()
    assert np.allclose(found.probability.sum(axis=1), 1)


def test_a_neuron_that_is_not_there_is_not_found():
    scene, absent = Scene(), [7, 30]
    image = scene.image(absent)
    probability = knowing(scene.moved, image, wrong=absent)
    found = locate(probability, image[None], [scene.reference], 2.0)
    others = np.setdiff1d(np.arange(1, len(scene.places) + 1), np.add(absent, 1))
    assert found.classes.tolist() == others.tolist()


def test_a_labelled_frame_that_misleads_has_no_say():
    scene = Scene()
    mixed = np.random.default_rng(1).permutation(len(scene.places))
    good, image = scene.reference, scene.image()
    wrong = Reference(good.image, PITCH, good.classes, good.voxels[mixed], RADIUS_UM)
    probability = knowing(scene.moved, image)
    places = expected_places(probability, image[None], [wrong, good])
    assert scene.right(places.zyx_um).mean() >= 0.95


def test_a_neuron_that_one_labelled_frame_lacks_is_found_by_another():
    scene = Scene()
    good, image = scene.reference, scene.image()
    less = Reference(good.image, PITCH, good.classes[2:], good.voxels[2:], RADIUS_UM)
    probability = knowing(scene.moved, image)
    places = expected_places(probability, image[None], [less, less, less, good])
    assert places.classes.tolist() == good.classes.tolist()
    assert scene.right(places.zyx_um).mean() >= 0.95


def test_an_answer_that_names_too_few_is_taken_as_it_is():
    scene = Scene()
    image = scene.image()
    probability = knowing(scene.moved, image, wrong=range(3, len(scene.places)))
    found = locate(probability, image[None], [scene.reference], 2.0)
    alone = find_neurons(probability, image)
    assert found.classes.tolist() == alone.classes.tolist() == [1, 2, 3]
    assert np.array_equal(found.voxels, alone.voxels)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10_000))
def test_probabilities_are_interpolated_between_voxels(seed):
    rng = np.random.default_rng(seed)
    slope, probability = rng.normal(size=3), np.zeros((4, 5, 6, 2), np.float32)
    probability[..., 1] = np.tensordot(slope, np.indices((4, 5, 6)), 1)
    places = rng.uniform(0, (3, 4, 5), (8, 3))
    assert np.allclose(probability_at(probability, places)[:, 1], places @ slope, atol=1e-5)
    corner = probability_at(probability, np.array([[3.0, 4.0, 5.0], [9.0, 9.0, 9.0]]))
    assert np.allclose(corner, probability[3, 4, 5], atol=1e-6)


@pytest.mark.real_data
@pytest.mark.parametrize(("labelled", "other"), [("A", "C"), ("C", "A")])
def test_real_frames_are_registered_without_any_network(real_data, labelled, other):
    frames = read_labeled_frames(real_data / "targettrack")
    names = list(frames[labelled].cloud.names)
    places = np.concatenate([frames[letter].cloud.zyx_um for letter in (labelled, other)])
    canvas = fit_canvas(frames[labelled].volume, places)
    own, new = (prepare(frames[letter].volume, canvas) for letter in (labelled, other))
    classes = np.arange(1, len(names) + 1)
    reference = from_points(own, frames[labelled].cloud.zyx_um, classes, 4.0).reference
    knows_nothing = np.full((*new.image.shape[1:], len(names) + 1), 0.5 / len(names), np.float32)
    knows_nothing[..., 0] = 0.5
    spots = find_spots(new.image[0], knows_nothing, new.voxel_um, reference.radius_um)
    found = new.to_um(
        register(reference, reference.voxels * new.voxel_um, spots).zyx_um / new.voxel_um
    )
    truth = dict(zip(frames[other].cloud.names, frames[other].cloud.zyx_um, strict=True))
    apart = [
        np.linalg.norm((place - truth[name]) / frames[other].volume.voxel_um)
        for name, place in zip(names, found, strict=True)
        if name in truth
    ]
    assert np.mean(np.array(apart) <= 4) >= FLOOR_WITHOUT_NETWORK
