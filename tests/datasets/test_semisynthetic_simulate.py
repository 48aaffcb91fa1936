"""The simulator of training views: truth, poses, detection errors, seeds."""

import numpy as np
import pytest
import torch

from trackbench.datasets.semisynthetic.bank import WormBank
from trackbench.datasets.semisynthetic.config import SimulatorConfig
from trackbench.datasets.semisynthetic.gather import PADDED, SPURIOUS
from trackbench.datasets.semisynthetic.shape import load_shapes
from trackbench.datasets.semisynthetic.simulate import simulate
from trackbench.datasets.semisynthetic.worms import LabeledWorm

UNTOUCHED = SimulatorConfig(
    across=0,
    towards=(0, 0),
    bend=0,
    wave=0,
    twist=0,
    scale=0,
    shear=0,
    warp_um=0,
    noise_um=(0, 0),
    drop=(0, 0),
    spurious=0.01,
    crop=0,
    partial=0,
)
"""Whole worms in any pose, with at most one spurious point."""


def with_changes(config, **changes):
    return SimulatorConfig(**{**config.model_dump(), **changes})


@pytest.fixture(scope="module")
def bank():
    shapes = load_shapes()
    worms = []
    for seed in range(4):
        points, names = shapes.draw_head(np.random.default_rng(seed), 90)
        color = np.random.default_rng(seed).random((len(points), 3))
        worms.append(LabeledWorm(points, names, color, f"worm{seed}"))
    return WormBank.from_worms(worms, smoothing_um=0.0)


def drawn(bank, config, seed=0, batch=6, views=2):
    return simulate(bank, config, torch.Generator().manual_seed(seed), batch, views)


def test_the_seed_decides(bank):
    one, same, other = (drawn(bank, SimulatorConfig(), seed) for seed in (3, 3, 4))
    assert torch.equal(one.zyx_um, same.zyx_um)
    assert torch.equal(one.neuron, same.neuron)
    assert one.zyx_um.shape != other.zyx_um.shape or not torch.equal(one.zyx_um, other.zyx_um)


def test_points_come_first_and_padding_is_zero(bank):
    views = drawn(bank, SimulatorConfig())
    count = views.mask.sum(-1)
    places = torch.arange(views.mask.shape[-1])
    assert torch.equal(views.mask, places < count.unsqueeze(-1))
    assert (views.neuron[~views.mask] == PADDED).all()
    assert (views.neuron[views.mask] >= SPURIOUS).all()
    assert (views.zyx_um[~views.mask] == 0).all()
    assert torch.isfinite(views.zyx_um).all()


def test_a_neuron_stands_once_in_a_view_and_keeps_its_name(bank):
    views = drawn(bank, with_changes(UNTOUCHED, drop=(0.2, 0.4)))
    for worm in range(views.neuron.shape[1]):
        named = {}
        for view in range(2):
            neurons = views.neuron[view, worm]
            own = neurons[neurons >= 0]
            assert len(own.unique()) == len(own)
            for neuron, name in zip(neurons, views.name_index[view, worm], strict=True):
                if neuron >= 0:
                    assert named.setdefault(int(neuron), int(name)) == int(name)
                else:
                    assert name == -1


def test_undoing_the_pose_gives_the_banks_worm(bank):
    views = drawn(bank, UNTOUCHED)
    back = views.anatomical_um()
    for worm in range(back.shape[1]):
        names = views.name_index[0, worm]
        own = names >= 0
        known = {
            int(name): point
            for row in range(len(bank))
            if set(bank.name_index[row].tolist()) - {-1} == set(names[own].tolist())
            for name, point in zip(bank.name_index[row], bank.zyx_um[row], strict=True)
        }
        want = torch.stack([known[int(name)] for name in names[own]])
        moved = back[0, worm][own] - want
        assert (moved - moved.mean(0)).abs().max() < 1e-3


def test_a_pose_is_a_proper_rotation_through_the_full_circle(bank):
    rotation = drawn(bank, UNTOUCHED, batch=200, views=1).rotation[0]
    assert torch.allclose(rotation @ rotation.mT, torch.eye(3).expand(200, 3, 3), atol=1e-5)
    assert torch.allclose(torch.linalg.det(rotation), torch.ones(200), atol=1e-5)
    roll = torch.atan2(rotation[:, 0, 0], rotation[:, 1, 0])
    assert (torch.histc(roll, 4, -torch.pi, torch.pi) > 20).all()


def test_a_mirrored_worm_is_the_mirror_image(bank):
    plain = drawn(bank, UNTOUCHED)
    mirrored = drawn(bank, with_changes(UNTOUCHED, mirror=1.0))
    assert mirrored.mirrored.all()
    assert not plain.mirrored.any()
    first, second = plain.anatomical_um()[0, 0], mirrored.anatomical_um()[0, 0]
    own = plain.neuron[0, 0] >= 0
    flipped = first[own] * torch.tensor([-1.0, 1.0, 1.0]) - second[own]
    assert (flipped - flipped.mean(0)).abs().max() < 1e-3


def test_a_whole_step_towards_another_worm_puts_shared_neurons_where_it_has_them(bank):
    other = 1
    shared = bank.partner[0, other]
    own = torch.nonzero(shared >= 0).squeeze(1)
    moved = bank.zyx_um[0, own] + bank.displacement_um[0, other, own]
    near = bank.displacement_um[0, other, own].norm(dim=-1) < 29
    assert torch.allclose(moved[near], bank.zyx_um[other, shared[own]][near], atol=1e-2)
    assert bank.reachable.all()


def test_views_of_one_animal_differ_less_than_views_of_several(bank):
    def spread(across):
        views = drawn(bank, with_changes(UNTOUCHED, across=across, towards=(0.8, 1)), batch=20)
        change = views.anatomical_um()[0] - views.anatomical_um()[1]
        return (change - change.mean(1, keepdim=True)).norm(dim=-1).mean()

    assert spread(0.0) < 1e-3
    assert spread(1.0) > 2.0


def test_neurons_are_dropped_at_the_rate_that_is_asked_for(bank):
    views = drawn(bank, with_changes(UNTOUCHED, drop=(0.3, 0.3)), batch=100, views=1)
    assert (views.neuron >= 0).sum() / (90 * 100) == pytest.approx(0.7, abs=0.02)


def test_spurious_points_are_at_most_the_share_that_is_asked_for(bank):
    views = drawn(bank, with_changes(UNTOUCHED, spurious=0.2), batch=100, views=1)
    share = (views.neuron == SPURIOUS).sum(-1) / 90
    assert share.max() <= 0.2
    assert share.mean() == pytest.approx(0.1, abs=0.02)


def test_cropping_takes_one_end(bank):
    tail = with_changes(UNTOUCHED, crop=1.0, crop_depth=0.5, head_crop=0.0)
    whole, cropped = drawn(bank, UNTOUCHED), drawn(bank, tail)
    assert cropped.mask.sum() < whole.mask.sum()
    for worm in range(6):
        kept = set(cropped.neuron[0, worm].tolist()) - {SPURIOUS, PADDED}
        own = whole.neuron[0, worm] >= 0
        order = whole.neuron[0, worm][own][whole.anatomical_um()[0, worm][own][:, 2].argsort()]
        assert kept == set(order[: len(kept)].tolist())


def test_noise_is_larger_along_the_optical_axis(bank):
    still = drawn(bank, UNTOUCHED, batch=50, views=1)
    noisy = drawn(
        bank, with_changes(UNTOUCHED, noise_um=(0.5, 0.5), noise_optical=3.0), batch=50, views=1
    )
    error = (noisy.zyx_um[0] - still.zyx_um[0])[:, :80].std(1).mean(0).tolist()
    assert error[1:] == pytest.approx([0.5, 0.5], abs=0.08)
    assert error[0] > 0.8


def test_colors_follow_their_neurons(bank):
    views = drawn(bank, with_changes(UNTOUCHED, drop=(0.2, 0.2)))
    first = {
        int(n): tuple(c.tolist())
        for n, c in zip(views.neuron[0, 0], views.color[0, 0], strict=True)
        if n >= 0
    }
    for neuron, color in zip(views.neuron[1, 0], views.color[1, 0], strict=True):
        if int(neuron) in first:
            assert tuple(color.tolist()) == first[int(neuron)]
