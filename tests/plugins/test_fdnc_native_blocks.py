"""The networks on the native kernels give what the trained ones give, to bfloat16's precision."""

from copy import deepcopy
from functools import cache

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from trackbench.core.seeds import generator
from trackbench.core.types import PointCloud
from trackbench.plugins.fdnc import FdncConfig, FdncMatcher
from trackbench.plugins.fdnc.inference import TorchNetworks
from trackbench.plugins.fdnc.kernels import library, why_absent
from trackbench.plugins.fdnc.matcher import SHIPPED
from trackbench.plugins.fdnc.native_blocks import NativeNetworks
from trackbench.plugins.fdnc.native_packing import packed
from trackbench.plugins.fdnc.network import Architecture, MatchingNetwork
from trackbench.plugins.fdnc.posenet import PoseNet
from trackbench.plugins.fdnc.weights import Trained, load_trained, save_trained

pytestmark = pytest.mark.skipif(library() is None, reason=f"no native kernels: {why_absent()}")

SPREAD_UM = np.array([6.0, 8.0, 25.0])
PLAIN = {"temperature": 1.0, "none_bias": 0.0}
SIZES = {
    "width 64": Architecture(width=64, layers=2, heads=2, feed_forward=96, deep=(1,)),
    "width 128": Architecture(width=128, layers=3, heads=4, feed_forward=80, deep=(1, 2)),
    "one level": Architecture(width=64, layers=3, heads=2, feed_forward=144, deep=()),
}

MEAN_ERROR = 0.025
"""Of scores, as a share of their standard deviation: a number of bfloat16 is off by up to 0.4 %,
and a score comes from one rounded number after another. With the shipped weights 0.004 is usual."""

LARGEST_ERROR = 0.1
"""Of a score among tens of thousands."""


def shaken(network, seed):
    """Give every parameter, norms included, a value of its own."""
    random = torch.Generator().manual_seed(seed)
    for parameter in network.parameters():
        parameter.data += 0.1 * torch.randn(parameter.shape, generator=random)
    return network.eval().requires_grad_(False)


def made(sizes):
    """Give networks of random weights."""
    torch.manual_seed(0)
    poses = PoseNet(sizes.width, 2, sizes.heads)
    return Trained(shaken(poses, 1), shaken(MatchingNetwork(sizes), 2), {}, frozenset())


def shipped(dtype=torch.float32):
    return load_trained(SHIPPED, dtype, torch.device("cpu"))


@cache
def native(name):
    """Give the networks of one of SIZES, and a template as they encode it."""
    networks = NativeNetworks(library(), made(SIZES[name]))
    return networks, networks.encode(cloud(37), **PLAIN)


@pytest.fixture(scope="module", params=[*SIZES, "shipped"])
def trained(request):
    return shipped() if request.param == "shipped" else made(SIZES[request.param])


@pytest.fixture(scope="module")
def networks(trained):
    return NativeNetworks(library(), trained)


@pytest.fixture
def threads():
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


def cloud(n, seed=0):
    rng = generator("fdnc native blocks", seed, n)
    return (SPREAD_UM * rng.normal(size=(n, 3))).astype(np.float32)


def padded(clouds, width=None, beyond=0.0):
    """Bring clouds to one size; give a mask too."""
    width = width or max(map(len, clouds))
    points = np.full((len(clouds), width, 3), beyond, dtype=np.float32)
    for place, own in zip(points, clouds, strict=True):
        place[: len(own)] = own
    return points, np.arange(width) < np.array([[len(own)] for own in clouds])


def exact_scores(trained, template, test):
    """By the trained network in float64: a table (m, n + 1) and scores (n,) alone, a level each."""
    network = deepcopy(trained.network).double()
    clouds = [torch.from_numpy(own)[None].double() for own in (template, test)]
    there = [torch.ones(own.shape[:2], dtype=torch.bool) for own in clouds]
    encoded = network.encode(clouds[0], there[0])
    levels = network.compare(encoded, clouds[1], there[1])
    for level, tokens in enumerate(levels):
        scores = network.score(level, encoded, tokens)
        table = torch.cat([scores.pairs, scores.test_alone.unsqueeze(-1)], dim=-1)
        yield table[0].numpy(), scores.template_alone[0].numpy()


def assert_near(found, wanted, spread=None):
    error = np.abs(found - wanted) / (wanted.std() if spread is None else spread)
    assert error.mean() < MEAN_ERROR
    assert error.max() < LARGEST_ERROR


@pytest.mark.parametrize("n", [4, 15, 16, 17, 63, 64, 65, 200])
def test_every_level_scores_as_the_trained_network(trained, networks, n):
    template = cloud(n)
    encoded = networks.encode(template, **PLAIN)
    for m in (4, 33, 120, 200):
        test = cloud(m, seed=1)
        for level, (table, alone) in enumerate(exact_scores(trained, template, test)):
            found = networks.scores(encoded, *padded([test]), level)[0]
            assert found.shape == table.shape
            assert_near(found, table)
            assert_near(encoded.alone[level], alone, table.std())


@pytest.mark.parametrize(("m", "n"), [(1000, 20), (20, 1000), (255, 256), (257, 300)])
def test_large_clouds(m, n):
    trained = made(SIZES["width 64"])
    networks = NativeNetworks(library(), trained)
    template, test = cloud(n), cloud(m, seed=1)
    encoded = networks.encode(template, **PLAIN)
    for level, (table, _) in enumerate(exact_scores(trained, template, test)):
        assert_near(networks.scores(encoded, *padded([test]), level)[0], table)


def test_the_kernels_round_less_than_torch_in_bfloat16():
    trained = shipped()
    template, test = cloud(120), cloud(117, seed=1)
    errors = {}
    for own in (NativeNetworks(library(), trained), TorchNetworks(shipped(torch.bfloat16))):
        with torch.inference_mode():
            encoded = own.encode(template, **PLAIN)
            tables = [own.scores(encoded, *padded([test]), level)[0] for level in (0, 1)]
        wanted = [table for table, _ in exact_scores(trained, template, test)]
        errors[type(own)] = [
            np.abs(one - other).mean() for one, other in zip(tables, wanted, strict=True)
        ]
    for native, torches in zip(*errors.values(), strict=True):
        assert native < 0.6 * torches


def test_temperature_and_the_price_of_none(networks):
    template, (tests, mask) = cloud(40), padded([cloud(33, seed=1)])
    plain = networks.encode(template, **PLAIN)
    changed = networks.encode(template, temperature=2.0, none_bias=3.0)
    before, after = (networks.scores(own, tests, mask, -1) for own in (plain, changed))
    np.testing.assert_allclose(after[..., :-1], before[..., :-1] / 2, atol=1e-4)
    np.testing.assert_allclose(after[..., -1], (before[..., -1] + 3) / 2, atol=1e-4)
    np.testing.assert_allclose(changed.alone[-1], (plain.alone[-1] + 3) / 2, atol=1e-4)


@pytest.mark.parametrize("n", [1, 4, 15, 16, 17, 63, 64, 65, 120, 200, 300])
def test_poses_are_those_of_the_trained_network(trained, networks, n):
    clouds = [cloud(n, seed) for seed in range(3)]
    slope, logits = networks.look_at_pose(*padded(clouds))
    points = torch.from_numpy(np.stack(clouds)).double()
    exact = deepcopy(trained.poses).double()(points, torch.ones(3, n, dtype=torch.bool))
    assert slope.shape == exact.slope.shape
    assert logits.shape == exact.logits.shape
    np.testing.assert_allclose(slope, exact.slope.numpy(), atol=0.02)
    assert_near(logits, exact.logits.numpy())


@settings(deadline=None, max_examples=30)
@given(
    st.lists(st.integers(1, 140), min_size=1, max_size=6),
    st.integers(0, 40),
    st.sampled_from([0.0, 7.0, np.nan]),
    st.integers(1, 7),
)
def test_a_cloud_gets_the_same_numbers_in_any_company(sizes, more, beyond, threads):
    """Whatever the padding holds, bit for bit."""
    networks, encoded = native("width 64")
    clouds = [cloud(size, seed) for seed, size in enumerate(sizes)]
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    together = padded(clouds, max(sizes) + more, beyond)
    tables = networks.scores(encoded, *together, -1)
    poses = networks.look_at_pose(*together)
    torch.set_num_threads(before)
    for i, own in enumerate(clouds):
        alone = padded([own])
        table = networks.scores(encoded, *alone, -1)[0]
        np.testing.assert_array_equal(tables[i, : len(own)], table)
        for found, wanted in zip(poses, networks.look_at_pose(*alone), strict=True):
            np.testing.assert_array_equal(found[i], wanted[0])


@pytest.mark.parametrize("count", [1, 2, 3, 16, 1000])
def test_any_number_of_threads_gives_the_same_numbers(networks, threads, count):
    encoded = networks.encode(cloud(50), **PLAIN)
    tests = padded([cloud(size, size) for size in (40, 17, 64, 4, 90)])
    threads(1)
    tables, poses = networks.scores(encoded, *tests, -1), networks.look_at_pose(*tests)
    threads(count)
    again = networks.scores(encoded, *tests, -1)
    np.testing.assert_array_equal(again[tests[1]], tables[tests[1]])
    for one, other in zip(networks.look_at_pose(*tests), poses, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("count", [2, 3, 16, 1000])
def test_a_lone_cloud_on_all_threads_gives_the_same_numbers(networks, threads, count):
    """Threads take its rows together; whoever comes first, and however often."""
    threads(1)
    encoded = networks.encode(cloud(50), **PLAIN)
    sizes = (1, 4, 17, 96, 127, 128, 133)
    wanted = [networks.scores(encoded, *padded([cloud(m, m)]), -1) for m in sizes]
    poses = [networks.look_at_pose(*padded([cloud(m, m)]))[1] for m in sizes]
    threads(count)
    for _ in range(4):
        np.testing.assert_array_equal(
            networks.encode(cloud(50), **PLAIN).memories, encoded.memories
        )
        for m, table, logits in zip(sizes, wanted, poses, strict=True):
            alone = padded([cloud(m, m)])
            np.testing.assert_array_equal(networks.scores(encoded, *alone, -1), table)
            np.testing.assert_array_equal(networks.look_at_pose(*alone)[1], logits)


@pytest.mark.parametrize("m", [5, 33, 120])
def test_rows_in_another_order_give_the_scores_in_that_order(networks, m):
    """Up to the rounding of sums in another order, which bfloat16 carries on."""
    encoded, test = networks.encode(cloud(50), **PLAIN), cloud(m, seed=1)
    order = generator("fdnc native blocks order").permutation(m)
    one, other = (networks.scores(encoded, *padded([own]), -1)[0] for own in (test, test[order]))
    assert_near(other, one[order])
    one, other = (networks.look_at_pose(*padded([own])) for own in (test, test[order]))
    assert_near(other[1], one[1])


def test_types_and_memory_orders_are_taken_and_kept(networks):
    encoded, (points, mask) = networks.encode(cloud(50), **PLAIN), padded([cloud(30), cloud(30, 1)])
    wanted = networks.scores(encoded, points, mask, -1)
    for own in (points.astype(np.float64), np.asfortranarray(points), points[::-1][::-1]):
        before = own.copy()
        found = networks.scores(encoded, own, np.asfortranarray(mask), -1)
        np.testing.assert_array_equal(found, wanted)
        np.testing.assert_array_equal(own, before)


BROKEN = {
    "no cloud": ((0, 5, 3), np.ones((0, 5), dtype=bool)),
    "no room for points": ((2, 0, 3), np.ones((2, 0), dtype=bool)),
    "a cloud without points": ((2, 5, 3), np.array([[True] * 5, [False] * 5])),
    "points behind padding": ((1, 3, 3), np.array([[True, False, True]])),
    "padding before points": ((1, 3, 3), np.array([[False, True, True]])),
    "two coordinates": ((2, 5, 2), np.ones((2, 5), dtype=bool)),
    "a cloud without a batch": ((5, 3), np.ones(5, dtype=bool)),
    "a mask of another size": ((2, 5, 3), np.ones((2, 4), dtype=bool)),
    "a mask for one": ((2, 5, 3), np.ones(5, dtype=bool)),
    "a mask without axes": ((3,), np.array(True)),
}


@pytest.mark.parametrize(("shape", "mask"), BROKEN.values(), ids=BROKEN.keys())
def test_what_is_no_batch_of_clouds_is_refused(networks, shape, mask):
    encoded, points = networks.encode(cloud(9), **PLAIN), np.zeros(shape, dtype=np.float32)
    with pytest.raises(ValueError, match="cloud"):
        networks.scores(encoded, points, mask, 0)
    with pytest.raises(ValueError, match="cloud"):
        networks.look_at_pose(points, mask)


@pytest.mark.parametrize("shape", [(0, 3), (5, 2), (5,), (1, 5, 3)])
def test_what_is_no_template_is_refused(networks, shape):
    with pytest.raises(ValueError, match="cloud"):
        networks.encode(np.zeros(shape, dtype=np.float32), **PLAIN)


def test_a_template_of_another_network_is_refused():
    tests = padded([cloud(20)])
    for one, other in (("width 64", "width 128"), ("width 64", "one level")):
        with pytest.raises(ValueError, match="other sizes"):
            native(one)[0].scores(native(other)[1], *tests, 0)


@pytest.mark.parametrize(("k", "n"), [(2, 1), (4, 16), (6, 17), (8, 64), (2, 65), (32, 150)])
def test_packed_matrices_hold_every_number_once(k, n):
    matrix = torch.arange(1, k * n + 1).reshape(k, n) % 256
    found = torch.from_numpy(packed(matrix.float()).view(np.int16)).view(torch.bfloat16).int()
    wide = -(-n // 16) * 16
    assert len(found) == k * wide
    for row, column in np.ndindex(k, wide):
        first = column // 64 * 64
        place = first * k + row // 2 * 2 * min(64, wide - first) + 2 * (column - first) + row % 2
        assert found[place] == (matrix[row, column] if column < n else 0)


@pytest.mark.parametrize(
    ("width", "heads", "fits"), [(48, 2, False), (64, 4, False), (128, 2, False), (64, 2, True)]
)
def test_torch_computes_where_the_kernels_do_not_fit(tmp_path, width, heads, fits):
    sizes = Architecture(width, layers=2, heads=heads, feed_forward=96, deep=(1,))
    torch.manual_seed(0)
    path = tmp_path / "weights.safetensors"
    save_trained(path, PoseNet(), MatchingNetwork(sizes), about={}, trained_on=())
    matcher = FdncMatcher(FdncConfig(weights=path))
    assert isinstance(matcher.engine.networks, NativeNetworks if fits else TorchNetworks)
    template, test = PointCloud(cloud(40)), PointCloud(cloud(30, seed=1))
    (match,) = matcher.match(matcher.prepare(template), [test])
    assert match.log_p.shape == (30, 41)
    np.testing.assert_allclose(np.exp(match.log_p).sum(axis=1), 1, atol=1e-4)


def test_feed_forward_layers_of_odd_sizes_do_not_fit():
    assert NativeNetworks.fits(made(SIZES["width 64"]))
    assert not NativeNetworks.fits(made(Architecture(64, 2, 2, 100, deep=(1,))))
