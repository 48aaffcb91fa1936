"""The networks by themselves: sizes, equivariance, padding, groups, poses, losses."""

import math

import pytest
import torch

from trackbench.plugins.fdnc.loss import correspondence_targets, matching_loss
from trackbench.plugins.fdnc.network import Architecture, MatchingNetwork, Scores
from trackbench.plugins.fdnc.normalise import log_posterior, normalised, shifted
from trackbench.plugins.fdnc.posenet import (
    ROLL_BINS,
    PoseGuess,
    PoseNet,
    agreed_pose,
    best_pose,
    bin_centres,
    pose_matrix,
    principal_frame,
    sure_pose,
    true_pose,
)
from trackbench.plugins.fdnc.published import PARAMETERS, PublishedNetwork
from trackbench.plugins.fdnc.refine import Refinement, refined, smooth_basis

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


def test_tests_can_go_on_from_a_level_by_themselves(network):
    template, tests = cloud(11).double(), cloud(9, seed=1, batch=3).double()
    with torch.no_grad():
        encoded = network.encode(template, everywhere(template))
        levels = network.compare(encoded, tests, everywhere(tests))
        look = network.further(encoded, network.begin(tests, everywhere(tests)))
        assert torch.equal(look.tokens, levels[0])
        last = network.further(encoded, look.take(torch.tensor([2])))
    assert torch.allclose(last.tokens[0], levels[1][2], atol=1e-9)
    assert last.depth == SMALL.layers


def test_one_look_is_enough_only_where_the_network_is_sure():
    torch.manual_seed(0)
    network = PoseNet(width=24, layers=2).eval()
    points = cloud(20, batch=3)
    with torch.no_grad():
        found, wanted = (
            find(network, points, everywhere(points)) for find in (sure_pose, agreed_pose)
        )
        for mine, theirs in zip(found, wanted, strict=True):
            assert torch.equal(mine, theirs)
        network.head.bias[2:] = 40 * torch.cos(bin_centres() - 1.0).repeat(2)
        network.head.bias[2:26] += 60
        pose, sure = sure_pose(network, points, everywhere(points))
        assert torch.equal(pose, best_pose(network(points, everywhere(points))))
    assert bool(sure.all())


def test_a_pose_is_found_again_from_its_classes():
    generator = torch.Generator().manual_seed(0)
    frame = torch.linalg.qr(torch.randn(400, 3, 3, generator=generator))[0]
    frame = frame * torch.linalg.det(frame)[:, None, None]
    frame = frame[frame[:, 2, 2].abs() > 0.5]
    slope, backwards, roll = true_pose(frame)
    assert torch.allclose(pose_matrix(slope, backwards, roll), frame, atol=1e-4)
    nearness = torch.cos(roll[:, None] - bin_centres())
    logits = torch.full((len(frame), 2, ROLL_BINS), -40.0)
    logits[torch.arange(len(frame)), backwards] = 40 * nearness
    found = best_pose(PoseGuess(slope, logits))
    cosine = ((found * frame).sum((1, 2)) - 1) / 2
    assert torch.rad2deg(torch.acos(cosine.clamp(-1, 1))).max() < 5


def test_principal_axes_are_proper_and_sorted():
    points, mask = cloud(40, batch=5), torch.arange(40)[None].expand(5, -1) < 30
    axes = principal_frame(points, mask)
    assert torch.allclose(torch.linalg.det(axes), torch.ones(5), atol=1e-5)
    spread = (points[:, :30] @ axes.mT).std(1)
    assert (spread.diff(dim=1) > 0).all()


def test_the_agreed_pose_follows_the_signs_of_the_axes():
    torch.manual_seed(0)
    network = PoseNet(width=24, layers=2).eval()
    points = cloud(20)
    signs = torch.tensor([-1.0, -1.0, 1.0])
    with torch.no_grad():
        pose, sure = agreed_pose(network, points, everywhere(points))
        flipped, sure_too = agreed_pose(network, points * signs, everywhere(points))
    assert torch.equal(sure, sure_too)
    assert torch.allclose(points @ pose, (points * signs) @ flipped, atol=1e-3)
    assert torch.allclose(pose @ pose.mT, torch.eye(3)[None], atol=1e-5)


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


def everything(b, m):
    return torch.ones(b, m, dtype=torch.bool)


def test_both_directions_have_a_say():
    """A column that another row wants more is less probable than by the row alone."""
    pairs = torch.tensor([[[3.0, 3.0], [-9.0, 6.0]]])
    scores = Scores(pairs, torch.full((1, 2), -9.0), torch.full((1, 2), -9.0))
    p = log_posterior(scores, everything(1, 2)).exp()[0]
    assert torch.allclose(p.sum(-1), torch.ones(2), atol=1e-5)
    assert p[0, 0] > 0.75
    assert p[1, 1] > 0.95


def test_padding_takes_no_part_in_the_posterior():
    generator = torch.Generator().manual_seed(1)
    pairs = 3 * torch.randn(1, 6, 4, generator=generator)
    scores = Scores(pairs, torch.zeros(1, 6), torch.zeros(1, 4))
    cut = Scores(pairs[:, :4], torch.zeros(1, 4), torch.zeros(1, 4))
    whole = log_posterior(scores, torch.arange(6)[None] < 4)[:, :4]
    assert torch.allclose(whole, log_posterior(cut, everything(1, 4)), atol=1e-4)


def test_the_posterior_is_the_geometric_mean_of_both_directions():
    generator = torch.Generator().manual_seed(2)
    scores = Scores(
        *(5 * torch.randn(*shape, generator=generator) for shape in ((2, 5, 4), (2, 5), (2, 4)))
    )
    rows = torch.cat([scores.pairs, scores.test_alone[..., None]], 2).log_softmax(2)
    columns = torch.cat([scores.pairs, scores.template_alone[:, None]], 1).log_softmax(1)
    both = torch.cat([0.5 * (rows[..., :-1] + columns[:, :-1]), rows[..., -1:]], 2)
    found = log_posterior(scores, everything(2, 5))
    assert torch.allclose(found, both.log_softmax(2), atol=1e-4)
    parts = normalised(shifted(scores), everything(2, 5))
    assert torch.allclose(parts.pairs(), found[..., :-1].exp(), atol=1e-5)
    assert torch.allclose(parts.none, found[..., -1].exp(), atol=1e-5)


def test_scores_far_apart_leave_the_posterior_finite():
    pairs = torch.tensor([[[300.0, -4000.0], [-4000.0, -4000.0]]])
    scores = Scores(pairs, torch.full((1, 2), -900.0), torch.full((1, 2), -900.0))
    p = log_posterior(scores, everything(1, 2))
    assert bool(p.isfinite().all())
    assert p[0, 0].argmax() == 0
    assert p[0, 1].argmax() == 2


def bent_pair(noise):
    """A template, a test that is its bent image (plus noise), and scores with two exchanged."""
    template = cloud(30, seed=2)
    along = template[..., 2:] / 30
    test = template + 6 * along.square() * torch.tensor([0.0, 1.0, 0.0])
    test = test + noise * torch.randn(test.shape, generator=torch.Generator().manual_seed(0))
    pairs = 6 - 0.2 * torch.cdist(template, template).square().clamp_max(60)
    first, second = 4, int(torch.cdist(template, template)[0, 4].argsort()[1])
    pairs[0, [first, second]] = pairs[0, [second, first]]
    none = torch.full((1, 30), -6.0)
    return template, test, Scores(pairs, none, none), (first, second)


def refine(template, test, scores, rounds=4):
    return refined(
        scores,
        test,
        template[0],
        basis=smooth_basis(template[0]),
        mask=everything(1, 30),
        settings=Refinement(rounds, start_um=4.0, end_um=1.5, limit_um=1.4, prior=0.2),
    ).scores


def test_refinement_puts_exchanged_neighbours_of_a_bent_worm_right():
    template, test, scores, (first, second) = bent_pair(noise=0.2)
    assert scores.pairs[0, first].argmax() == second
    better = refine(template, test, scores)
    assert torch.equal(better.pairs[0].argmax(-1), torch.arange(30))


def test_refinement_leaves_two_animals_to_the_network():
    template, test, scores, _ = bent_pair(noise=6.0)
    after = refine(template, test, scores)
    before, refined_p = (log_posterior(own, everything(1, 30)).exp() for own in (scores, after))
    assert torch.allclose(refined_p, before, atol=0.02)
    assert refine(template, test, scores, rounds=0) is scores
