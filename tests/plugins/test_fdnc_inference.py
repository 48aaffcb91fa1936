"""The networks as the matcher runs them are those that were trained; poses from their outputs."""

import numpy as np
import pytest
import torch

from trackbench.plugins.fdnc.inference import FastMatching, FastPose
from trackbench.plugins.fdnc.network import Architecture, MatchingNetwork
from trackbench.plugins.fdnc.pose import agreed_poses, best_pose, pose_matrix, sure_poses
from trackbench.plugins.fdnc.posenet import ROLL_BINS, PoseNet, bin_centres, true_pose

SMALL = Architecture(width=48, layers=3, heads=2, feed_forward=96, deep=(1,))


def cloud(n, seed=0, batch=1):
    random = torch.Generator().manual_seed(seed)
    return torch.randn(batch, n, 3, generator=random) * torch.tensor([8.0, 10.0, 30.0])


def shaken(network):
    """Give every parameter, norms included, a value of its own."""
    random = torch.Generator().manual_seed(1)
    for parameter in network.parameters():
        parameter.data += 0.2 * torch.randn(parameter.shape, generator=random)
    return network.double().eval().requires_grad_(False)


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return shaken(MatchingNetwork(SMALL))


@pytest.fixture(scope="module")
def pose_network():
    torch.manual_seed(0)
    return shaken(PoseNet(width=48, layers=2))


def padded(points, size):
    wide = torch.zeros(len(points), size, 3, dtype=points.dtype)
    wide[:, : points.shape[1]] = points
    return wide.float().numpy(), (torch.arange(size) < points.shape[1]).expand(len(points), -1)


def test_every_level_gives_the_scores_of_the_trained_network(network):
    template, tests = cloud(11).double(), cloud(9, seed=1, batch=3).double()
    mask = torch.ones(3, 9, dtype=torch.bool)
    encoded = network.encode(template, torch.ones(1, 11, dtype=torch.bool))
    wanted = [
        network.score(level, encoded, tokens)
        for level, tokens in enumerate(network.compare(encoded, tests, mask))
    ]
    fast = FastMatching(network)
    memories, scorers = fast.encode(template[0].float().numpy(), temperature=1.0, none_bias=0.0)
    with torch.inference_mode():
        for depth, scorer, scores in zip(network.levels, scorers, wanted, strict=True):
            table = scorer(fast.compare(memories, *padded(tests, 16), depth))[:, :9]
            assert torch.allclose(table[..., :-1], scores.pairs, atol=1e-4)
            assert torch.allclose(table[..., -1], scores.test_alone, atol=1e-4)
            assert torch.allclose(scorer.template_alone, scores.template_alone[0], atol=1e-4)


def test_temperature_and_the_price_of_none_change_the_scores(network):
    template, tests = cloud(11)[0].numpy(), cloud(9, seed=1).double()
    fast = FastMatching(network)
    with torch.inference_mode():
        tables = []
        for temperature, none_bias in ((1.0, 0.0), (2.0, 3.0)):
            memories, scorers = fast.encode(template, temperature=temperature, none_bias=none_bias)
            tokens = fast.compare(memories, *padded(tests, 9), depth=1)
            tables.append((scorers[0](tokens), scorers[0].template_alone))
    (plain, alone), (changed, alone_too) = tables
    assert torch.allclose(changed[..., :-1], plain[..., :-1] / 2, atol=1e-4)
    assert torch.allclose(changed[..., -1], (plain[..., -1] + 3) / 2, atol=1e-4)
    assert torch.allclose(alone_too, (alone + 3) / 2, atol=1e-4)


def test_the_pose_network_says_the_same(pose_network):
    points = cloud(20, batch=3).double()
    wide, mask = padded(points, 32)
    wanted = pose_network(points, torch.ones(3, 20, dtype=torch.bool))
    with torch.inference_mode():
        slope, logits = FastPose(pose_network)(wide, mask)
    assert torch.allclose(slope, wanted.slope, atol=1e-4)
    assert torch.allclose(logits, wanted.logits, atol=1e-4)


def looks(network):
    def look(zyx_um, mask):
        guess = network(torch.as_tensor(zyx_um).double(), torch.as_tensor(mask))
        return guess.slope.numpy(), guess.logits.numpy()

    return look


def test_one_look_is_enough_only_where_the_network_is_sure():
    torch.manual_seed(0)
    network = PoseNet(width=48, layers=2).double().eval().requires_grad_(False)
    points, mask = cloud(20, batch=3).numpy(), np.ones((3, 20), dtype=bool)
    found, wanted = (find(looks(network), points, mask) for find in (sure_poses, agreed_poses))
    np.testing.assert_array_equal(found, wanted)
    network.head.bias[2:] = 40 * torch.cos(bin_centres() - 1.0).repeat(2)
    network.head.bias[2:26] += 60
    sure = sure_poses(looks(network), points, mask)
    np.testing.assert_array_equal(sure, best_pose(*looks(network)(points, mask)))


def test_a_pose_is_found_again_from_its_classes():
    frame = torch.linalg.qr(torch.randn(400, 3, 3, generator=torch.Generator().manual_seed(0)))[0]
    frame = frame * torch.linalg.det(frame)[:, None, None]
    frame = frame[frame[:, 2, 2].abs() > 0.5]
    slope, backwards, roll = true_pose(frame)
    again = pose_matrix(slope.numpy(), backwards.numpy(), roll.numpy())
    np.testing.assert_allclose(again, frame.numpy(), atol=1e-4)
    logits = np.full((len(frame), 2, ROLL_BINS), -40.0, dtype=np.float32)
    nearness = torch.cos(roll[:, None] - bin_centres()).numpy()
    logits[np.arange(len(frame)), backwards.numpy()] = 40 * nearness
    found = best_pose(slope.numpy(), logits)
    cosine = ((found * frame.numpy()).sum((1, 2)) - 1) / 2
    assert np.degrees(np.arccos(np.clip(cosine, -1, 1))).max() < 5


def test_the_agreed_pose_follows_the_signs_of_the_axes(pose_network):
    points, mask = cloud(20).numpy(), np.ones((1, 20), dtype=bool)
    signs = np.array([-1.0, -1.0, 1.0], dtype=np.float32)
    pose = agreed_poses(looks(pose_network), points, mask)
    flipped = agreed_poses(looks(pose_network), points * signs, mask)
    np.testing.assert_allclose(points @ pose, (points * signs) @ flipped, atol=1e-3)
    product = pose @ pose.transpose(0, 2, 1)
    np.testing.assert_allclose(product, np.eye(3)[None], atol=1e-5)
