"""tacnn's pieces: canvas, labels, loss, decoding, postures, random changes."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from trackbench import Volume
from trackbench.errors import InputError
from trackbench.plugins.tacnn.augment import Sample, Strength, draw_sample
from trackbench.plugins.tacnn.decode import find_neurons, find_peaks, keep_largest
from trackbench.plugins.tacnn.estimate import Reference, estimate
from trackbench.plugins.tacnn.frames import (
    Canvas,
    fit_canvas,
    paint,
    place_labels,
    prepare,
    return_labels,
)
from trackbench.plugins.tacnn.guide import guided
from trackbench.plugins.tacnn.loss import choose_voxels, selective_loss
from trackbench.plugins.tacnn.network import (
    MULTIPLES,
    Architecture,
    TacnnNetwork,
    coordinates,
    voxel_coordinates,
)
from trackbench.plugins.tacnn.optimiser import MixedOptimiser
from trackbench.plugins.tacnn.posture import (
    choose_targets,
    nearest_labelled,
    posture_space,
    silhouette,
)

SEEDS = st.integers(0, 10_000)
FEW = settings(max_examples=15, deadline=None)
VOXEL_UM = (2.0, 0.5, 0.5)


def volume(shape=(10, 40, 70), channels=1, seed=0):
    data = np.random.default_rng(seed).poisson(5, (channels, *shape)).astype(np.uint8)
    return Volume(data, VOXEL_UM, ("red", "green")[:channels], id="v")


# --- canvas and labels


@FEW
@given(SEEDS, st.sampled_from([(1, 1, 1), (1, 2, 2), (2, 3, 2)]))
def test_places_on_the_canvas_and_in_um_are_inverse(seed, reduce):
    rng = np.random.default_rng(seed)
    frame = prepare(volume(), Canvas((12, 24, 40), (-1, 3, 2), reduce))
    places = rng.uniform(0, 20, (9, 3))
    assert np.allclose(frame.to_voxels(frame.to_um(places)), places)


def test_a_bright_voxel_stands_where_its_position_says():
    data = np.zeros((1, 10, 40, 70), np.float32)
    data[0, 4, 20:22, 36:38] = 100.0
    frame = prepare(Volume(data, VOXEL_UM), Canvas((12, 16, 24), (-1, 4, 10), (1, 2, 2)))
    spot = np.argwhere(frame.image[0] == frame.image[0].max())
    assert len(spot) == 1
    assert np.allclose(frame.to_um(spot.astype(float)), [[8.0, 10.25, 18.25]])


@FEW
@given(SEEDS, st.integers(1, 3))
def test_a_canvas_holds_all_labels_and_fits_the_network(seed, reduce):
    rng = np.random.default_rng(seed)
    labels = rng.uniform([0, 5, 5], [9, 35, 60], (12, 3)) * VOXEL_UM
    factors = (1, reduce, reduce)
    canvas = fit_canvas(volume(), labels, factors)
    assert all(n % m == 0 for n, m in zip(canvas.shape, MULTIPLES, strict=True))
    places = prepare(volume(), canvas).to_voxels(labels)
    assert (places > -0.51).all()
    assert (places < np.array(canvas.shape) - 0.49).all()


def test_too_few_channels_are_refused():
    with pytest.raises(InputError, match="1 channels, 2 wanted"):
        prepare(volume(), Canvas((12, 24, 40), channels=2))


def test_brightness_does_not_matter():
    plain = volume()
    brighter = Volume(plain.data.astype(np.float32) * 7 + 3, VOXEL_UM)
    canvas = Canvas((12, 24, 40))
    assert np.allclose(prepare(plain, canvas).image, prepare(brighter, canvas).image, atol=1e-5)


def test_points_paint_what_is_nearest_within_the_radius():
    frame = prepare(volume(), Canvas((12, 40, 72), reduce=(1, 1, 1)))
    points = np.array([[5, 20, 20], [5, 20, 25]]) * VOXEL_UM
    labels = paint(frame, points, np.array([3, 1]), 4.0)
    assert labels[5, 20, 20] == 3
    assert labels[5, 20, 22] == 3
    assert labels[5, 20, 23] == 1
    assert labels[5, 20, 29] == 1
    assert labels[5, 20, 30] == labels[5, 20, 15] == 0
    assert labels[9, 20, 20] == 3  # the radius counts in voxels along z too
    assert set(np.unique(labels)) == {0, 1, 3}


def test_masks_go_to_the_canvas_and_back():
    labels = np.zeros((10, 40, 70), np.int16)
    labels[3:5, 10:14, 20:26], labels[6:8, 30:32, 40:44] = 1, 2
    canvas = Canvas((12, 24, 40), (-1, 2, 4), (1, 2, 2))
    frame = prepare(volume(), canvas)
    placed = place_labels(frame, labels, canvas.reduce)
    assert np.array_equal(return_labels(placed, canvas, labels.shape), labels)


# --- loss


def test_the_loss_of_even_scores_is_that_of_the_present_classes():
    classes = torch.tensor([0] * 50 + [2] * 30 + [5] * 3)
    loss = selective_loss(torch.zeros(len(classes), 9), classes)
    assert float(loss) == pytest.approx(math.log(3), abs=1e-5)


def test_an_absent_class_is_neither_rewarded_nor_punished():
    classes = torch.tensor([0] * 50 + [2] * 30)
    scores = torch.zeros(80, 4, requires_grad=True)
    torch.autograd.backward(selective_loss(scores, classes))
    assert (scores.grad[:, [1, 3]] == 0).all()
    assert (scores.grad[:, [0, 2]] != 0).any()


def test_a_small_class_counts_as_much_as_a_large_one():
    classes = torch.tensor([0] * 100 + [1] * 400 + [2] * 40)
    wrong = torch.zeros(540, 3)
    large, small = wrong.clone(), wrong.clone()
    large[classes == 1, 1] = 5.0
    small[classes == 2, 2] = 5.0
    assert float(selective_loss(large, classes)) == pytest.approx(
        float(selective_loss(small, classes)), rel=1e-4
    )


def test_all_labelled_voxels_are_learned():
    labels = torch.zeros(4, 8, 8, dtype=torch.int16)
    labels[1, 2:4, 2:5] = 1
    chosen = choose_voxels(labels, torch.rand(1, 4, 8, 8), torch.Generator().manual_seed(0))
    assert set(torch.nonzero(labels.reshape(-1)).squeeze(1).tolist()) <= set(chosen.tolist())
    assert (labels.reshape(-1)[chosen] == 0).any()


# --- network


def test_scores_have_the_shape_of_the_image_and_begin_with_the_nearest_place():
    torch.manual_seed(0)
    network = TacnnNetwork(Architecture(1, 4))
    shape = (4, 16, 24)
    places = torch.tensor([[1.0, 3.0, 3.0], [2.0, 12.0, 20.0], [2.0, 3.0, 20.0]])
    network.set_places(voxel_coordinates(places, shape))
    with torch.no_grad():
        network.head[2].weight.zero_()
        network.head[2].bias.zero_()
        scores = network(torch.rand(1, *shape))
    assert scores.shape == (*shape, 4)
    nearest = scores[..., 1:].argmax(dim=3)
    assert [int(nearest[tuple(place.int().tolist())]) for place in places] == [0, 1, 2]


def test_coordinates_count_from_the_middle():
    found = coordinates(torch.zeros(1, 3, 5, 65))
    assert found.shape == (3, 3, 5, 65)
    assert found[:, 1, 2, 32].tolist() == [0, 0, 0]
    assert found[2, 0, 0].tolist()[::64] == [-1, 1]


def test_an_optimiser_goes_on_from_its_state():
    def network():
        torch.manual_seed(3)
        return TacnnNetwork(Architecture(1, 3))

    def steps(own, optimiser, count):
        torch.manual_seed(count)
        for _ in range(count):
            optimiser.zero_grad()
            torch.autograd.backward(own(torch.rand(1, 4, 8, 8)).square().mean())
            optimiser.step(0.5)

    whole, parted = network(), network()
    first, second = MixedOptimiser(whole, 1e-3, 5e-3), MixedOptimiser(parted, 1e-3, 5e-3)
    steps(whole, first, 2)
    steps(parted, second, 2)
    resumed = MixedOptimiser(parted, 1e-3, 5e-3)
    resumed.load_state_dict(second.state_dict())
    steps(whole, first, 3)
    steps(parted, resumed, 3)
    for a, b in zip(whole.parameters(), parted.parameters(), strict=True):
        assert torch.equal(a, b)


# --- decoding


def ball(shape, centre, radius):
    squared = sum((a - c) ** 2 for a, c in zip(np.indices(shape), centre, strict=True))
    return squared <= radius**2


def test_the_largest_piece_of_each_class_is_the_neuron():
    shape = (8, 20, 20)
    labels = np.zeros(shape, np.int32)
    labels[ball(shape, (4, 5, 5), 3)] = 1
    labels[ball(shape, (4, 15, 15), 2)] = 1
    labels[ball(shape, (4, 5, 15), 1)] = 2
    kept = keep_largest(labels)
    assert kept[4, 5, 5] == 1
    assert kept[4, 15, 15] == 0
    assert kept[4, 5, 15] == 2
    assert not (keep_largest(labels, fewest_voxels=8) == 2).any()


def test_neurons_have_centre_class_and_probability():
    shape = (8, 20, 20)
    probability = np.zeros((*shape, 3), np.float32)
    probability[..., 0] = 1.0
    for number, centre in ((1, (4, 5, 5)), (2, (3, 12, 14))):
        inside = ball(shape, centre, 2)
        probability[inside] = 0.0
        probability[inside, number] = 0.8
        probability[inside, 0] = 0.2
    found = find_neurons(probability, np.ones(shape, np.float32))
    assert found.classes.tolist() == [1, 2]
    assert np.allclose(found.voxels, [[4, 5, 5], [3, 12, 14]])
    assert np.allclose(found.confidence, 0.8)
    assert np.allclose(found.probability.sum(axis=1), 1.0)


def test_nothing_but_background_is_no_neuron():
    probability = np.zeros((4, 8, 8, 3), np.float32)
    probability[..., 0] = 1.0
    found = find_neurons(probability, np.ones((4, 8, 8), np.float32))
    assert found.voxels.shape == (0, 3)
    assert found.probability.shape == (0, 3)


def test_spots_are_found_whatever_they_are_called():
    image = np.zeros((8, 24, 24), np.float32)
    for centre in ((4, 6, 6), (3, 16, 18)):
        image = np.maximum(image, np.exp(-ball_distance(image.shape, centre) / 2))
    probability = np.full((*image.shape, 3), 1 / 3, np.float32)
    spots, rows = find_peaks(probability, image)
    assert np.allclose(spots[np.argsort(spots[:, 1])], [[4, 6, 6], [3, 16, 18]], atol=0.3)
    assert rows.shape == (2, 3)


def ball_distance(shape, centre):
    return sum((a - c) ** 2 for a, c in zip(np.indices(shape), centre, strict=True))


# --- the deformation that an answer suggests

PITCH = np.array([2.0, 1.0, 1.0])
PLACES = (
    np.random.default_rng(11)
    .permutation([(z, y, x) for z in (2, 6) for y in (4, 12, 20) for x in range(4, 60, 8)])[:24]
    .astype(float)
)
SHIFT = np.array([0.0, 2.0, -1.0])
RADIUS_UM = 1.6


def blobs(places, shape=(9, 28, 64)):
    squared = [ball_distance(shape, place) for place in places]
    return np.exp(-np.stack(squared) / 2).max(axis=0).astype(np.float32)


def answer(places, classes, shape=(9, 28, 64)):
    """Give each class the ball around a place with probability 0.9."""
    probability = np.zeros((*shape, 25), np.float32)
    probability[..., 0] = 1.0
    for place, number in zip(places, classes, strict=True):
        inside = ball_distance(shape, place) <= 4
        probability[inside] = 0.0
        probability[inside, 0], probability[inside, number] = 0.1, 0.9
    return probability


def reference():
    return Reference(blobs(PLACES)[None], PITCH, np.arange(1, 25), PLACES, RADIUS_UM)


def test_the_deformation_is_found_although_two_neurons_are_exchanged():
    said = np.arange(1, 25)
    said[[3, 17]] = said[[17, 3]]
    image = blobs(PLACES + SHIFT)[None]
    found = estimate([reference()], image, answer(PLACES + SHIFT, said))
    assert len(found) == 1
    assert found[0].likeness > 0.8
    back = found[0].deformation((PLACES + SHIFT) * PITCH)
    assert np.abs(back - PLACES * PITCH).max() < 1.0


def test_the_labelled_frame_that_is_most_alike_comes_first():
    rng = np.random.default_rng(0)
    mixed = rng.permutation(24)
    other = Reference(blobs(PLACES[:12])[None], PITCH, np.arange(1, 25), PLACES[mixed], RADIUS_UM)
    image = blobs(PLACES + SHIFT)[None]
    found = estimate([other, reference()], image, answer(PLACES + SHIFT, np.arange(1, 25)))
    assert [item.number for item in found] == [1, 0]
    assert found[0].likeness > found[1].likeness


def test_a_guide_puts_a_doubtful_neuron_where_the_others_say():
    image = blobs(PLACES + SHIFT)[None]
    probability = answer(PLACES + SHIFT, np.arange(1, 25))
    right, wrong = (ball_distance(image.shape[1:], PLACES[k] + SHIFT) <= 4 for k in (5, 9))
    probability[right | wrong] = 0.0
    probability[right, 6], probability[right, 10] = 0.4, 0.6
    probability[wrong, 6], probability[wrong, 10] = 0.6, 0.4
    plain = find_neurons(probability, image[0])
    guide = find_neurons(guided(probability, image, [reference()], 2.0), image[0])
    place = dict(zip(guide.classes, guide.voxels, strict=True))
    assert np.linalg.norm(place[6] - PLACES[5] - SHIFT) < 1
    assert np.linalg.norm(place[10] - PLACES[9] - SHIFT) < 1
    unguided = dict(zip(plain.classes, plain.voxels, strict=True))
    assert np.linalg.norm(unguided[6] - PLACES[5] - SHIFT) > 4


def test_a_guide_leaves_an_answer_that_names_too_few():
    image = blobs(PLACES)[None]
    probability = answer(PLACES[:3], [1, 2, 3])
    assert guided(probability, image, [reference()], 2.0) is probability


# --- postures


def test_targets_are_the_farthest_in_turn():
    places = np.array([[0.0], [1.0], [10.0], [-6.0], [9.0]])
    assert choose_targets(places, [0], 3) == [2, 3, 1]
    assert choose_targets(places, [0, 2], 9) == [3, 1, 4]
    assert nearest_labelled(places, [0, 2], 4) == (2, 0)
    assert nearest_labelled(places, [0, 2], 3, count=1) == (0,)


def test_posture_space_keeps_distances_that_matter():
    rng = np.random.default_rng(0)
    bend = rng.normal(size=(30, 2))
    shapes = bend @ rng.normal(size=(2, 200)) + 1e-3 * rng.normal(size=(30, 200))
    places = posture_space(shapes)
    assert places.shape == (30, 8)
    apart = np.linalg.norm(shapes[:, None] - shapes[None], axis=2)
    assert np.allclose(np.linalg.norm(places[:, None] - places[None], axis=2), apart, atol=0.05)


def test_a_silhouette_is_small_and_sees_the_worm():
    image = np.zeros((2, 6, 17, 34), np.float32)
    image[0, 3, 8, 20] = 16.0
    seen = silhouette(image)
    assert seen.shape == (4 * 8,)
    assert seen.max() == 1.0


# --- random changes


def sample(shape=(8, 24, 32)):
    labels = torch.zeros(shape, dtype=torch.int16)
    labels[2:6, 8:12, 10:20] = 4
    return Sample(labels[None].float(), labels, np.array([2.0, 1.0, 1.0]))


def test_no_strength_is_no_change():
    still = Strength(*[0.0] * 7)
    image, labels = draw_sample(sample(), still, np.random.default_rng(0))
    assert torch.allclose(image, sample().image, atol=1e-4)
    assert torch.equal(labels, sample().labels)


@FEW
@given(SEEDS)
def test_labels_move_with_the_image(seed):
    strength = Strength(brightness=0.0, cut=1.0)
    image, labels = draw_sample(sample(), strength, np.random.default_rng(seed))
    assert set(labels.unique().tolist()) <= {0, 4}
    bright = image[0] > 0.5 * 4
    assert ((labels == 4) == bright).float().mean() > 0.97


def test_the_same_seed_draws_the_same():
    draws = [draw_sample(sample(), Strength(), np.random.default_rng(5)) for _ in range(2)]
    assert torch.equal(draws[0][0], draws[1][0])
    assert torch.equal(draws[0][1], draws[1][1])
    other, _ = draw_sample(sample(), Strength(), np.random.default_rng(6))
    assert not torch.equal(draws[0][0], other)
