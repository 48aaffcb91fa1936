import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from trackbench.core.atlas import NamedPoints
from trackbench.core.config_file import read_config_file
from trackbench.errors import InputError
from trackbench.plugins.identity.augment import IGNORED, AugmentConfig, Sampler
from trackbench.plugins.identity.bank import build_bank
from trackbench.plugins.identity.calibration import (
    Calibration,
    balance,
    calibrated,
    doubted,
    mixed,
)
from trackbench.plugins.identity.features import color_features, corrected_features
from trackbench.plugins.identity.network import IdentityNetwork, NetworkConfig
from trackbench.plugins.identity.run import SHIPPED_CONFIG, RunConfig
from trackbench.plugins.identity.training import (
    Trainer,
    TrainingConfig,
    collate,
    loss_of,
)

NAMES = tuple(
    f"{stem}{side}"
    for stem in (
        "I1",
        "OLQD",
        "AVA",
        "ASK",
        "RIM",
        "SMD",
        "AIB",
        "RIA",
        "AVE",
        "CEPD",
        "URX",
        "AWB",
        "ASE",
        "RMD",
    )
    for side in "LR"
)
SMALL = NetworkConfig(width=24, layers=2, heads=2, feed_forward=32, dropout=0.1)


@pytest.fixture(scope="module")
def bank():
    rng = np.random.default_rng(0)
    half = rng.normal(size=(len(NAMES) // 2, 3)) * [1.0, 6.0, 40.0] + [5.0, 0.0, 0.0]
    home = np.repeat(half, 2, axis=0)
    home[::2, 0] *= -1.0
    index = np.arange(len(NAMES))
    worms = []
    for _ in range(5):
        places = home + rng.normal(size=home.shape)
        unnamed = rng.permutation(index)[:3]
        marks = index.copy()
        marks[unnamed] = -1
        worms.append(NamedPoints(places, marks, rng.gamma(1.0, 0.4, size=home.shape)))
    return build_bank(worms, NAMES)


def sampler(bank, seed=0, **config):
    return Sampler(bank, AugmentConfig(**config), np.random.default_rng(seed))


def test_a_bank_carries_each_worm_to_the_others(bank):
    for worm in bank.worms:
        for towards, field in zip(worm.towards, worm.fields, strict=True):
            other = bank.worms[towards]
            both = np.flatnonzero((worm.rows >= 0) & (other.rows >= 0))
            goal = other.zyx_um[other.rows[both]]
            before = np.linalg.norm(worm.zyx_um[worm.rows[both]] - goal, axis=1).mean()
            after = np.linalg.norm(
                worm.zyx_um[worm.rows[both]] + field[0][worm.rows[both]] - goal, axis=1
            ).mean()
            assert after < 0.6 * before


def test_fields_and_residuals_add_up_to_the_other_worm(bank):
    worm = bank.worms[0]
    other = bank.worms[worm.towards[0]]
    both = np.flatnonzero((worm.rows >= 0) & (other.rows >= 0))
    rows = worm.rows[both]
    arrived = worm.zyx_um[rows] + worm.fields[0, -1, rows] + worm.residuals[0, rows]
    np.testing.assert_allclose(arrived, other.zyx_um[other.rows[both]], atol=1e-3)


@given(st.integers(0, 10_000))
@settings(max_examples=30, deadline=None)
def test_samples_are_well_formed(bank, seed):
    sample = sampler(bank, seed).draw()
    count = len(sample.target)
    assert sample.zyx_um.shape == (count, 3)
    assert sample.color.shape == (count, 7)
    assert np.isfinite(sample.zyx_um).all()
    assert np.isfinite(sample.color).all()
    named = sample.target[(sample.target >= 0) & (sample.target < len(NAMES))]
    assert len(np.unique(named)) == len(named)
    assert set(sample.target[sample.target < 0]) <= {IGNORED}


def test_the_same_seed_gives_the_same_samples(bank):
    one, two = sampler(bank, 3).draw(), sampler(bank, 3).draw()
    np.testing.assert_array_equal(one.zyx_um, two.zyx_um)
    np.testing.assert_array_equal(one.color, two.color)


def test_mirrored_samples_teach_no_names(bank):
    draws = sampler(bank, any_pose=0.0, mirrored=1.0)
    for _ in range(10):
        sample = draws.draw()
        assert sample.pose[1] == 0.0
        assert (sample.target == IGNORED).all()


def test_a_mirrored_sample_has_the_other_handedness(bank):
    """A proper affine fit onto the atlas exists for plain samples alone."""
    still = {
        "any_pose": 0.0,
        "bend_um": 0.0,
        "twist": 0.0,
        "wave_um": 0.0,
        "drop": 0.0,
        "spurious": 0.0,
        "redrawn": 0.0,
    }
    plain = sampler(bank, mirrored=0.0, **still).draw()
    known = plain.target >= 0
    design = np.hstack([plain.zyx_um[known], np.ones((known.sum(), 1))])
    fit = np.linalg.lstsq(design, bank.means[plain.target[known]], rcond=None)[0][:3]
    assert np.linalg.det(fit) > 0
    assert plain.pose.tolist() == [1.0, 1.0]


def test_colorless_samples_have_no_color(bank):
    assert not sampler(bank, colorless=1.0).draw().color.any()
    assert sampler(bank, colorless=0.0).draw().color[:, -1].all()


def test_padding_changes_nothing(bank):
    torch.manual_seed(0)
    network = IdentityNetwork(SMALL, len(NAMES)).eval()
    draws = sampler(bank)
    samples = sorted((draws.draw() for _ in range(6)), key=lambda sample: len(sample.target))
    both = collate([samples[0], samples[-1]])
    alone = collate([samples[0]])
    count = len(samples[0].target)
    with torch.inference_mode():
        padded, pose = network(both.zyx_um, both.color, both.mask)
        plain, pose_alone = network(alone.zyx_um, alone.color, alone.mask)
    torch.testing.assert_close(padded[0, :count], plain[0], atol=0.02, rtol=0.02)
    torch.testing.assert_close(pose[0], pose_alone[0], atol=0.02, rtol=0.02)


def test_the_order_of_neurons_does_not_count(bank):
    torch.manual_seed(0)
    network = IdentityNetwork(SMALL, len(NAMES)).eval()
    batch = collate([sampler(bank).draw()])
    order = torch.randperm(batch.mask.shape[1])
    with torch.inference_mode():
        plain, _ = network(batch.zyx_um, batch.color, batch.mask)
        mixed, _ = network(batch.zyx_um[:, order], batch.color[:, order], batch.mask)
    torch.testing.assert_close(plain[:, order], mixed, atol=0.02, rtol=0.02)


def test_attention_sees_displacements_only(bank):
    """Without the absolute inputs, a shift of the whole worm changes nothing."""
    torch.manual_seed(0)
    network = IdentityNetwork(SMALL, len(NAMES)).eval()
    torch.nn.init.zeros_(network.position.weight)
    batch = collate([sampler(bank).draw()])
    with torch.inference_mode():
        plain, _ = network(batch.zyx_um, batch.color, batch.mask)
        moved, _ = network(batch.zyx_um + 13.0, batch.color, batch.mask)
    torch.testing.assert_close(plain, moved, atol=0.03, rtol=0.03)


def test_training_lowers_the_loss(bank, tmp_path):
    config = TrainingConfig(
        network=SMALL, steps=80, batch=8, rate=5e-3, warm_up=5, validate_every=40
    )
    losses = []
    Trainer(config, bank, tmp_path).run(lambda _net, _step, loss: losses.append(loss))
    assert len(losses) == 2
    assert losses[1] < 0.9 * losses[0]


def test_a_resumed_run_ends_at_the_same_weights(bank, tmp_path):
    config = TrainingConfig(network=SMALL, steps=12, batch=4, warm_up=5, validate_every=10)
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    whole.mkdir()
    parts.mkdir()
    wanted = Trainer(config, bank, whole).run(lambda *_: None)

    def stop(*_):
        raise KeyboardInterrupt

    broken = Trainer(config, bank, parts)
    with pytest.raises(KeyboardInterrupt):
        broken.run(stop)
    broken._save()
    resumed = Trainer(config, bank, parts)
    assert resumed.step == 10
    found = resumed.run(lambda *_: None)
    for one, two in zip(wanted.parameters(), found.parameters(), strict=True):
        assert torch.equal(one, two)


def test_a_checkpoint_of_another_config_is_refused(bank, tmp_path):
    config = TrainingConfig(network=SMALL, steps=1, batch=2)
    Trainer(config, bank, tmp_path).run(lambda *_: None)
    with pytest.raises(InputError, match="belongs to a run with another config"):
        Trainer(config.model_copy(update={"seed": 1}), bank, tmp_path)


def test_a_member_can_begin_with_anothers_weights(bank, tmp_path):
    start = IdentityNetwork(SMALL, len(NAMES))
    trainer = Trainer(TrainingConfig(network=SMALL), bank, tmp_path, start=start)
    for one, two in zip(start.parameters(), trainer.averaged.parameters(), strict=True):
        assert torch.equal(one, two)


def test_unknown_names_cost_nothing(bank):
    torch.manual_seed(0)
    network = IdentityNetwork(SMALL, len(NAMES)).eval()
    batch = collate([sampler(bank, mirrored=1.0, any_pose=0.0).draw()])
    loss = loss_of(network, batch, TrainingConfig(network=SMALL, pose_weight=0.0))
    assert loss.item() == 0.0


@given(st.integers(0, 1000))
@settings(max_examples=20, deadline=None)
def test_a_balanced_table_hands_out_no_name_twice(seed):
    scores = 4.0 * np.random.default_rng(seed).normal(size=(5, 6))
    p = np.exp(balance(scores))
    np.testing.assert_allclose(p.sum(axis=1), 1.0)
    assert p[:, :-1].sum(axis=0).max() < 1.2


def test_a_temperature_flattens():
    scores = np.random.default_rng(0).normal(size=(6, 9)) * 3.0
    sharp, flat = (
        calibrated(scores, Calibration(temperature=t)).max(axis=1).mean() for t in (0.5, 3.0)
    )
    assert sharp > flat


def test_doubt_bounds_certainty_and_keeps_the_order():
    table = np.log(np.random.default_rng(0).dirichlet(np.full(9, 0.1), size=20))
    found = doubted(table, 0.09)
    np.testing.assert_allclose(np.exp(found).sum(axis=1), 1.0)
    assert np.exp(found).max() <= 0.92
    assert np.exp(found).min() >= 0.01 - 1e-9
    assert np.array_equal(table.argmax(axis=1), found.argmax(axis=1))


def test_a_mixture_is_between_its_tables_and_follows_the_logits():
    one, two = np.log([[0.9, 0.1]]), np.log([[0.2, 0.8]])
    even = mixed([one, two], [4.0, 4.0], 0.1)
    np.testing.assert_allclose(np.exp(even), [[0.55, 0.45]])
    np.testing.assert_allclose(mixed([one, two], [500.0, 0.0], 0.0), one)
    odds = np.exp(mixed([one, two], [np.log(3.0), 0.0], 0.0))
    np.testing.assert_allclose(odds, [[0.75 * 0.9 + 0.25 * 0.2, 0.75 * 0.1 + 0.25 * 0.8]])


def test_doubt_bounds_how_far_a_mixture_follows_the_logits():
    one, two = np.log([[0.9, 0.1]]), np.log([[0.2, 0.8]])
    found = np.exp(mixed([one, two], [500.0, 0.0], 0.1))
    np.testing.assert_allclose(found, [[0.9 * 0.9 + 0.1 * 0.2, 0.9 * 0.1 + 0.1 * 0.8]])


def test_color_correction_undoes_a_change_of_microscope():
    rng = np.random.default_rng(0)
    name_colors = rng.normal(size=(30, 3))
    seen = name_colors @ np.array([[0.8, 0.1, 0.0], [0.0, 1.2, 0.1], [0.1, 0.0, 0.9]]) + 0.3
    features = np.hstack([seen, np.zeros((30, 3)), np.ones((30, 1))]).astype(np.float32)
    log_p = np.full((30, 31), -20.0)
    log_p[np.arange(30), np.arange(30)] = 0.0
    fixed = corrected_features(features, log_p, name_colors)
    before = np.abs(seen - name_colors).mean()
    assert np.abs(fixed[:, :3] - name_colors).mean() < 0.3 * before


def test_a_worm_without_color_has_empty_features():
    assert not color_features(None, 4).any()


def test_the_shipped_config_can_be_read():
    config = read_config_file(SHIPPED_CONFIG, RunConfig)
    assert {member.use for member in config.members} <= {"always", "color", "position"}
