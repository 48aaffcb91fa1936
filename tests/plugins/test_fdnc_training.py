"""A training run: resuming, its files, its config, the sweep, the loss going down."""

import csv
import itertools
import shutil

import numpy as np
import pytest
import torch

from trackbench.core.config_file import read_config_file
from trackbench.datasets.semisynthetic.bank import WormBank
from trackbench.datasets.semisynthetic.config import SimulatorConfig
from trackbench.datasets.semisynthetic.shape import load_shapes
from trackbench.datasets.semisynthetic.worms import LabeledWorm
from trackbench.errors import InputError
from trackbench.plugins.fdnc import FdncConfig, FdncMatcher, training
from trackbench.plugins.fdnc.batches import group_batches, pose_batches
from trackbench.plugins.fdnc.optimiser import schedule
from trackbench.plugins.fdnc.stages import MatchingStage
from trackbench.plugins.fdnc.sweep import sweep
from trackbench.plugins.fdnc.training_config import (
    SHIPPED_CONFIG,
    PoseErrorSection,
    PoseSection,
    TrainingConfig,
)

TINY = TrainingConfig.model_validate(
    {
        "steps": 24,
        "decay": 8,
        "groups": 2,
        "tests": 2,
        "warm_up": 2,
        "network": {"width": 24, "layers": 2, "heads": 2, "feed_forward": 32, "deep": (1,)},
        "pose": {"steps": 8, "batch": 4},
    }
)


def drawn_worms():
    shapes = load_shapes()
    worms = []
    for seed in range(3):
        points, names = shapes.draw_head(np.random.default_rng(seed), 90)
        worms.append(LabeledWorm(points, names, np.zeros((90, 3)), f"worm{seed}", digest=f"{seed}"))
    return worms


@pytest.fixture(scope="module", autouse=True)
def worms():
    """Train on heads that were drawn from the atlas, so that no real worm is needed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training, "read_worms", lambda _: drawn_worms())
        yield


def trained(out, config=TINY):
    said = []
    weights = training.train(config, out, out, report=said.append)
    return weights, said


@pytest.fixture(scope="module")
def finished(worms, tmp_path_factory):
    """Train once; give the folder of the run and what it said."""
    folder = tmp_path_factory.mktemp("finished")
    return folder, trained(folder)[1]


@pytest.fixture
def copied(finished, tmp_path):
    """Give a copy of the folder of the finished run."""
    return shutil.copytree(finished[0], tmp_path / "copied")


def test_an_interrupted_run_ends_at_the_same_weights(finished, tmp_path, monkeypatch):
    monkeypatch.setattr(training, "CHECKPOINT_SECONDS", 0.0)
    step, calls = MatchingStage.step, itertools.count()

    def interrupted(stage, batch, number):
        if next(calls) == 12:
            raise KeyboardInterrupt
        return step(stage, batch, number)

    with monkeypatch.context() as patch:
        patch.setattr(MatchingStage, "step", interrupted)
        with pytest.raises(KeyboardInterrupt):
            trained(tmp_path / "halved")
    saved = torch.load(tmp_path / "halved" / "checkpoint.pt", weights_only=True)
    assert saved["state"]["matching"]["step"] == 8
    halved, _ = trained(tmp_path / "halved")
    assert halved.read_bytes() == (finished[0] / halved.name).read_bytes()


def test_a_run_writes_its_curve_and_picture(finished):
    folder, said = finished
    with (folder / "curve.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["stage"], int(row["step"])) for row in rows] == [("matching", 24), ("pose", 8)]
    assert all(0 <= float(row["validation_accuracy"]) <= 1 for row in rows)
    assert (folder / "curve.png").read_bytes().startswith(b"\x89PNG")
    assert len(said) == 2
    matcher = FdncMatcher(FdncConfig(weights=folder / "weights.safetensors"))
    assert matcher.trained_on == {"0", "1", "2"}
    assert matcher.engine.trained.network.architecture.width == 24


def test_a_finished_run_is_not_trained_again(finished, copied):
    weights, said = trained(copied)
    assert weights.read_bytes() == (finished[0] / weights.name).read_bytes()
    assert said == []


def test_a_checkpoint_of_another_config_is_refused(copied):
    with pytest.raises(InputError, match="another config"):
        trained(copied, TINY.model_copy(update={"seed": 1}))


def test_the_seed_decides(finished, tmp_path):
    same, _ = trained(tmp_path / "same")
    other, _ = trained(tmp_path / "other", TINY.model_copy(update={"seed": 1}))
    first = finished[0] / same.name
    assert first.read_bytes() == same.read_bytes() != other.read_bytes()


def test_a_sweep_compares_sizes(tmp_path):
    short = TINY.model_copy(update={"steps": 8, "pose": PoseSection(steps=0)})
    table = sweep(
        short, tmp_path, tmp_path, (1, 2), (24,), device="cpu", threads=1, report=lambda _: None
    )
    with table.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["layers"], row["width"]) for row in rows] == [("1", "24"), ("2", "24")]


def test_training_brings_the_loss_down():
    bank = WormBank.from_worms(drawn_worms())
    calm = {"across": 0, "bend": 0, "wave": 0, "twist": 0, "warp_um": 0, "noise_um": (0, 0.1)}
    config = TrainingConfig.model_validate(
        {**TINY.model_dump(), "steps": 96, "simulator": calm, "deep_weight": 0.0}
    )
    torch.manual_seed(0)
    stage = MatchingStage(config, bank)
    generator = torch.Generator().manual_seed(0)
    losses, step = [], 0
    while step < config.steps:
        for batch in stage.batches(generator, step):
            losses.append(stage.step(batch, step))
            step += 1
    first, last = np.mean(losses[:16], axis=0), np.mean(losses[-16:], axis=0)
    assert last[0] < 0.8 * first[0]


def test_the_learning_rate_warms_up_stays_and_falls():
    rates = [schedule(step, 100, 10, 40) for step in range(101)]
    assert rates[0] == pytest.approx(0.1)
    assert set(rates[10:60]) == {1.0}
    assert all(a >= b for a, b in itertools.pairwise(rates[60:]))
    assert rates[100] == pytest.approx(0.02)


def test_groups_are_views_of_one_worm_near_the_anatomical_pose():
    bank = WormBank.from_worms(drawn_worms())
    errors = PoseErrorSection(roll=0.0, any_roll=0.0, flip=0.0, tilt=0.0)
    generator = torch.Generator().manual_seed(0)
    for batch in group_batches(
        bank, SimulatorConfig(partial=0), errors, generator, groups=3, tests=2
    ):
        assert len(batch.test) == 2 * len(batch.template) == 6
        for row, test in enumerate(batch.test):
            shared = set(test[test >= 0].tolist()) & set(batch.template[row // 2].tolist())
            assert len(shared) > 5
        # the long axis is x: head and body are further apart than left and right
        spread = batch.test_um.std(1).mean(0)
        assert spread[2] > 2 * spread[0]


def test_pose_batches_hold_the_way_back():
    bank = WormBank.from_worms(drawn_worms())
    generator = torch.Generator().manual_seed(0)
    for batch in pose_batches(bank, SimulatorConfig(), generator, batch=4):
        assert torch.allclose(torch.linalg.det(batch.frame), torch.ones(4), atol=1e-4)
        upright = batch.zyx_um @ batch.frame
        assert (upright[..., 2].std(1) > upright[..., 0].std(1)).all()


def test_the_shipped_config_reads():
    config = read_config_file(SHIPPED_CONFIG, TrainingConfig)
    assert config.network.width == 128
    assert config.simulator.mirror > 0
