import os
from pathlib import Path

import numpy as np
import pytest
import torch

from trackbench.core.keys import animal_key
from trackbench.core.pipeline import fit_labelers, label_test
from trackbench.core.types import PointCloud
from trackbench.core.weights import load_weights, save_weights
from trackbench.errors import InputError
from trackbench.plugins.identity import IdentityConfig, IdentityLabeler, run
from trackbench.plugins.identity.calibration import Calibration
from trackbench.plugins.identity.ensemble import Ensemble, describe, pack
from trackbench.plugins.identity.labeler import SHIPPED
from trackbench.plugins.identity.network import IdentityNetwork
from trackbench.plugins.identity.search import SearchConfig

DATA = os.environ.get("TRACKBENCH_DATA")
LIMIT = 16 * 2**20


@pytest.fixture(scope="module")
def ensemble():
    return IdentityLabeler().fit(())


def drawn_worm(ensemble, seed, count=100):
    """A worm at the atlas's mean places with its mean colors, in any pose."""
    rng = np.random.default_rng(seed)
    rows = rng.choice(len(ensemble.names), count, replace=False)
    points = ensemble.atlas.means[rows] + 0.7 * rng.normal(size=(count, 3))
    colors = 300.0 * np.sinh(ensemble.atlas.colors[rows] + 1.5) + 40.0
    turn, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    turn *= np.sign(np.linalg.det(turn))
    names = tuple(ensemble.names[row] for row in rows)
    return PointCloud(points @ turn.T + 100.0, colors, mirrored=False), names


def top1(test, names, **config):
    labeler = IdentityLabeler(IdentityConfig(**config))
    labels, _ = label_test(fit_labelers([labeler], ()), test, ())
    return np.mean([given == true for given, true in zip(labels.names, names, strict=True)])


@pytest.mark.parametrize("seed", range(3))
def test_an_average_worm_is_named_in_any_pose(ensemble, seed):
    test, names = drawn_worm(ensemble, seed)
    assert top1(test, names) > 0.7


def test_a_mirrored_recording_is_named_when_it_says_so(ensemble):
    test, names = drawn_worm(ensemble, 0)
    mirrored = PointCloud(test.zyx_um * [1.0, -1.0, 1.0], test.color, mirrored=True)
    assert top1(mirrored, names) > 0.7


def test_positions_alone_are_enough_for_some(ensemble):
    test, names = drawn_worm(ensemble, 0)
    bare = PointCloud(test.zyx_um, mirrored=False)
    with_color, without = top1(test, names), top1(bare, names)
    assert 0.3 < without < with_color


def test_gain_and_background_of_the_microscope_do_not_count(ensemble):
    test, _ = drawn_worm(ensemble, 1)
    other = PointCloud(test.zyx_um, 4.0 * test.color + 11.0, mirrored=False)
    labeler = IdentityLabeler()
    one, two = (np.exp(labeler.evidence(ensemble, cloud, ()).log_p) for cloud in (test, other))
    assert np.abs(one - two).max() < 0.05


def test_the_order_of_the_rows_does_not_count(ensemble):
    test, _ = drawn_worm(ensemble, 2)
    rows = np.random.default_rng(0).permutation(len(test))
    labeler = IdentityLabeler()
    plain = labeler.evidence(ensemble, test, ()).log_p
    turned = labeler.evidence(ensemble, test.take(rows), ()).log_p
    np.testing.assert_array_equal(plain[rows], turned)


@pytest.mark.parametrize("count", [0, 1, 3])
def test_too_few_neurons_for_a_pose_get_an_even_table(ensemble, count):
    table = IdentityLabeler().evidence(ensemble, PointCloud(np.zeros((count, 3))), ())
    assert table.log_p.shape == (count, len(ensemble.names) + 1)
    np.testing.assert_allclose(np.exp(table.log_p), 1.0 / table.log_p.shape[1], rtol=1e-5)


def test_four_points_on_one_spot_are_survived(ensemble):
    table = IdentityLabeler().evidence(ensemble, PointCloud(np.zeros((4, 3)), np.ones((4, 3))), ())
    assert np.isfinite(table.log_p).all()


def test_the_shipped_file_is_small_and_knows_its_train_worms():
    assert SHIPPED.stat().st_size <= LIMIT
    assert len(IdentityLabeler().trained_on) == 55


def test_an_ensemble_survives_its_file(ensemble, tmp_path):
    path = tmp_path / "one.safetensors"
    network = ensemble.networks[0]
    even = Calibration()
    save_weights(
        path,
        pack([network], ensemble.atlas, ensemble.asymmetry),
        kind="identity",
        version=1,
        about=describe(network.config, ensemble.names, ["always"], even, even),
        trained_on=["a"],
    )
    again = Ensemble.from_weights(load_weights(path, kind="identity", version=1, framework="torch"))
    assert again.names == ensemble.names
    assert again.trained_on == {"a"}
    for name, array in ensemble.asymmetry.arrays().items():
        np.testing.assert_array_equal(again.asymmetry.arrays()[name], array)
    for name, tensor in network.state_dict().items():
        assert torch.equal(again.networks[0].state_dict()[name], tensor)


def test_a_colored_worm_is_not_read_by_a_network_for_positions(ensemble):
    test, _ = drawn_worm(ensemble, 0)
    labeler = IdentityLabeler()
    spoiled = IdentityNetwork(ensemble.networks[0].config, len(ensemble.names)).eval()
    first = ensemble.networks[0]
    parts = (ensemble.names, ensemble.atlas, ensemble.asymmetry)
    alone = Ensemble((first,), ("always",), *parts)
    joined = Ensemble((first, spoiled), ("always", "position"), *parts)
    bare = PointCloud(test.zyx_um, mirrored=False)
    for cloud, is_same in ((test, True), (bare, False)):
        one, two = (labeler.evidence(each, cloud, ()).log_p for each in (alone, joined))
        assert np.array_equal(one, two) == is_same


@pytest.mark.parametrize("mirrored", [False, True])
def test_unknown_handedness_reads_both_and_mixes_them(ensemble, mirrored):
    test, names = drawn_worm(ensemble, 1)
    if mirrored:
        test = PointCloud(test.zyx_um * [-1.0, 1.0, 1.0], test.color)
    asked = PointCloud(test.zyx_um, test.color, mirrored=None)
    both = ensemble.raw(asked, SearchConfig())
    assert [reading.mirrored for reading in both] == [False, True]
    share = [
        np.mean(np.array(ensemble.names)[reading.log_p[:, :-1].argmax(axis=1)] == names)
        for reading in both
    ]
    assert share[mirrored] > 0.8
    assert share[not mirrored] < 0.4
    table = ensemble.read(asked, IdentityConfig())
    np.testing.assert_allclose(np.exp(table).sum(axis=1), 1.0, atol=1e-5)


def test_poses_judged_on_a_part_of_the_worm_are_those_judged_on_all(ensemble):
    test, names = drawn_worm(ensemble, 2, count=150)
    shares = [
        np.mean(
            np.array(ensemble.names)[
                ensemble.raw(test, SearchConfig(screened=count))[0].log_p[:, :-1].argmax(axis=1)
            ]
            == names
        )
        for count in (40, 1000)
    ]
    assert min(shares) > 0.9
    assert abs(shares[0] - shares[1]) < 0.05


def test_rounding_for_inference_changes_no_answer(ensemble):
    network = ensemble.networks[0]
    plain = IdentityNetwork(network.config, len(ensemble.names)).eval()
    plain.load_state_dict({name: item.float() for name, item in network.state_dict().items()})
    points, mask = torch.randn(1, 30, 3) * 20, torch.ones(1, 30, dtype=torch.bool)
    color = torch.zeros(1, 30, 7)
    with torch.inference_mode():
        for one, two in zip(network(points, color, mask), plain(points, color, mask), strict=True):
            assert torch.equal(one, two)


def test_recalibration_keeps_the_networks(ensemble, tmp_path, monkeypatch):
    fitted = (Calibration(temperature=2.0, doubt=0.1), Calibration(hand_temperature=3.0))
    worms = [
        PointCloud(test.zyx_um, test.color, names, mirrored=False)
        for test, names in (drawn_worm(ensemble, seed) for seed in range(3))
    ]
    monkeypatch.setattr(run, "labeled_heads", lambda folder, split: worms)
    monkeypatch.setattr(run, "fit_calibration", lambda ensemble, worms: fitted)
    path = run.recalibrate(SHIPPED, tmp_path, tmp_path / "again.safetensors")
    old, new = (
        load_weights(p, kind="identity", version=3, framework="torch") for p in (SHIPPED, path)
    )
    assert Ensemble.from_weights(new).with_color == fitted[0]
    assert Ensemble.from_weights(new).without_color == fitted[1]
    assert new.trained_on == old.trained_on | {animal_key(worm.zyx_um) for worm in worms}
    assert set(new.tensors) == set(old.tensors)
    kept = [name for name in old.tensors if not name.startswith("asymmetry.")]
    assert all(torch.equal(old.tensors[name], new.tensors[name]) for name in kept)


def test_weights_of_another_kind_are_refused(tmp_path):
    path = tmp_path / "atlas.safetensors"
    save_weights(path, {"a": np.zeros(1)}, kind="atlas", version=1, about={}, trained_on=())
    with pytest.raises(InputError, match="weights of atlas, not of identity"):
        IdentityLabeler(IdentityConfig(weights=path)).fit(())


def test_weights_of_an_older_layout_say_how_to_renew_them(ensemble, tmp_path):
    path = tmp_path / "old.safetensors"
    tensors = pack(ensemble.networks[:1], ensemble.atlas, ensemble.asymmetry)
    older = {name: item for name, item in tensors.items() if not name.startswith("asymmetry.")}
    save_weights(path, older, kind="identity", version=2, about={}, trained_on=())
    with pytest.raises(InputError, match="older layout") as caught:
        IdentityLabeler(IdentityConfig(weights=path)).fit(())
    assert "--recalibrate" in str(caught.value)


@pytest.mark.real_data
@pytest.mark.skipif(DATA is None, reason="TRACKBENCH_DATA is not set")
def test_the_handedness_of_real_validation_worms_is_found():
    from trackbench.datasets.neuropal import NeuroPAL

    scores = []
    for case in NeuroPAL().cases("wormnd-blind", "validation", Path(DATA)):
        labels, _ = label_test(fit_labelers([IdentityLabeler()], ()), case.test, ())
        named = [i for i, name in enumerate(case.truth.names) if name]
        scores.append(np.mean([labels.names[i] == case.truth.names[i] for i in named]))
    assert np.mean(scores) > 0.79
    assert np.sum(np.array(scores) > 0.5) >= 11


@pytest.mark.real_data
@pytest.mark.skipif(DATA is None, reason="TRACKBENCH_DATA is not set")
def test_real_validation_worms_are_named():
    from trackbench.datasets.labeled_heads import labeled_heads
    from trackbench.datasets.neuropal import NeuroPAL

    cases = list(NeuroPAL().cases("wormnd", "validation", Path(DATA)))
    scores = []
    for case in cases[::4]:
        labels, _ = label_test(fit_labelers([IdentityLabeler()], ()), case.test, ())
        named = [i for i, name in enumerate(case.truth.names) if name]
        scores.append(np.mean([labels.names[i] == case.truth.names[i] for i in named]))
    assert np.mean(scores) > 0.75
    unseen = {animal_key(worm.zyx_um) for worm in labeled_heads(Path(DATA), "validation")}
    assert not unseen & IdentityLabeler().trained_on
