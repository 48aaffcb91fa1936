"""The networks by themselves: sizes, equivariance, padding, groups, poses, losses."""

import math

import pytest
import torch

from trackbench.plugins.fdnc.loss import correspondence_targets, matching_loss
from trackbench.plugins.fdnc.network import Architecture, MatchingNetwork, Scores
from trackbench.plugins.fdnc.posenet import PoseNet, principal_frame
from trackbench.plugins.fdnc.published import PARAMETERS, PublishedNetwork

SMALL = Architecture(width=48, layers=3, heads=2, feed_forward=96, deep=(1,))


def cloud(n, seed=0, batch=1):
    generator = torch.Generator().manual_seed(seed)
    size = torch.tensor([8.0, 10.0, 30.0])
    return torch.randn(batch, n, 3, generator=generator) * size


def everywhere(points):
    return torch.ones(points.shape[:2], dtype=torch.bool)


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return MatchingNetwork(SMALL).double().eval()


def scored(network, template, tests, template_mask=None, test_mask=None):
    masks = [
        everywhere(points) if mask is None else mask
        for points, mask in ((template, template_mask), (tests, test_mask))
    ]
    with torch.no_grad():
        encoded = network.encode(template.double(), masks[0])
        levels = network.compare(encoded, tests.double(), masks[1])
        return network.score(len(levels) - 1, encoded, levels[-1])


def test_the_published_network_has_the_published_size():
    network = PublishedNetwork()
    assert sum(p.numel() for p in network.parameters()) == PARAMETERS == 3_559_041


def test_the_published_network_permutes_with_its_inputs():
    torch.manual_seed(0)
    network = PublishedNetwork(layers=2).double().eval()
    template, tests = cloud(11)[0].double(), cloud(9, seed=1, batch=2).double()
    rows, columns = torch.randperm(9), torch.randperm(11)
    with torch.no_grad():
        before = network(template, tests, everywhere(tests))
        after = network(template[columns], tests[:, rows], everywhere(tests))
        alone = network(template, tests[1:], everywhere(tests[1:]))
    wanted = before[:, rows][:, :, torch.cat([columns, torch.tensor([11])])]
    assert torch.allclose(after, wanted, atol=1e-10)
    assert torch.allclose(alone, before[1:], atol=1e-10)
    assert torch.allclose(before.exp().sum(-1), torch.ones(2, 9, dtype=torch.double))


def test_the_published_network_ignores_padding():
    torch.manual_seed(0)
    network = PublishedNetwork(layers=2).double().eval()
    template, tests = cloud(11)[0].double(), cloud(9, seed=1).double()
    padded = torch.cat([tests, torch.zeros(1, 4, 3).double()], dim=1)
    mask = torch.arange(13)[None] < 9
    with torch.no_grad():
        before, after = network(template, tests, everywhere(tests)), network(template, padded, mask)
    assert torch.allclose(after[:, :9], before, atol=1e-10)


def test_scores_permute_with_the_points(network):
    template, tests = cloud(11), cloud(9, seed=1)
    rows, columns = torch.randperm(9), torch.randperm(11)
    before = scored(network, template, tests)
    after = scored(network, template[:, columns], tests[:, rows])
    assert torch.allclose(after.pairs, before.pairs[:, rows][:, :, columns], atol=1e-9)
    assert torch.allclose(after.test_alone, before.test_alone[:, rows], atol=1e-9)
    assert torch.allclose(after.template_alone, before.template_alone[:, columns], atol=1e-9)


def test_padding_changes_no_score(network):
    template, tests = cloud(11), cloud(9, seed=1)
    before = scored(network, template, tests)
    padding = torch.full((1, 5, 3), 40.0)
    after = scored(
        network,
        torch.cat([template, padding], dim=1),
        torch.cat([tests, padding], dim=1),
        torch.arange(16)[None] < 11,
        torch.arange(14)[None] < 9,
    )
    assert torch.allclose(after.pairs[:, :9, :11], before.pairs, atol=1e-9)
    assert torch.allclose(after.test_alone[:, :9], before.test_alone, atol=1e-9)


def test_a_test_scores_the_same_in_any_batch_and_group(network):
    templates, tests = cloud(11, batch=2), cloud(9, seed=1, batch=6)
    together = scored(network, templates, tests)
    for row in range(6):
        alone = scored(network, templates[row // 3][None], tests[row][None])
        assert torch.allclose(together.pairs[row], alone.pairs[0], atol=1e-9)


def test_a_template_is_encoded_without_its_tests(network):
    template = cloud(11)
    with torch.no_grad():
        first = network.encode(template.double(), everywhere(template))
        network.compare(first, cloud(9, seed=3).double(), everywhere(cloud(9)))
        second = network.encode(template.double(), everywhere(template))
    assert torch.equal(first.outputs[-1], second.outputs[-1])


def test_principal_axes_are_proper_and_sorted():
    points, mask = cloud(40, batch=5), torch.arange(40)[None].expand(5, -1) < 30
    axes = principal_frame(points, mask)
    assert torch.allclose(torch.linalg.det(axes), torch.ones(5), atol=1e-5)
    spread = (points[:, :30] @ axes.mT).std(1)
    assert (spread.diff(dim=1) > 0).all()


def test_the_pose_network_ignores_padding_and_order():
    torch.manual_seed(0)
    network = PoseNet(width=24, layers=2).double().eval()
    points = cloud(20).double()
    padded = torch.cat([points[:, torch.randperm(20)], torch.ones(1, 6, 3).double()], dim=1)
    with torch.no_grad():
        before = network(points, everywhere(points))
        after = network(padded, torch.arange(26)[None] < 20)
    assert torch.allclose(after.logits, before.logits, atol=1e-5)
    assert torch.allclose(after.slope, before.slope, atol=1e-5)


def test_targets_name_partners_both_ways():
    test = torch.tensor([[4, -1, 2, -2]])
    template = torch.tensor([[2, 7, 4]])
    rows, columns = correspondence_targets(test, template)
    assert rows.tolist() == [[2, 3, 0, 3]]
    assert columns.tolist() == [[2, 4, 0]]


def test_the_loss_counts_absence_and_leaves_padding_out():
    test, template = torch.tensor([[0, 1, -2]]), torch.tensor([[1, 5]])
    zero = Scores(torch.zeros(1, 3, 2), torch.zeros(1, 3), torch.zeros(1, 2))
    loss, accuracy = matching_loss(zero, test, template)
    # each row chooses among 2 columns and none, each column among 2 rows and none
    assert loss.item() == pytest.approx(math.log(3), abs=1e-5)
    sure = Scores(
        torch.tensor([[[-9.0, -9], [9, -9], [9, 9]]]),
        torch.tensor([[9.0, -9, 0]]),
        torch.tensor([[-9.0, 9]]),
    )
    loss, accuracy = matching_loss(sure, test, template)
    assert loss.item() < 1e-4
    assert accuracy.item() == 1.0
