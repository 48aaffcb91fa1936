"""tacnn as a whole: it learns a small worm, resumes, deforms, segments, and is marked."""

import h5py
import numpy as np
import pytest
import torch

from trackbench import Case, Evidence, Truth
from trackbench.core.keys import animal_key
from trackbench.core.pipeline import reason_to_skip
from trackbench.core.types import PointCloud
from trackbench.core.weights import save_weights
from trackbench.datasets.recordings import Recording, open_recording
from trackbench.datasets.semisynthetic.image_config import PRESETS
from trackbench.datasets.semisynthetic.image_export import write_recording
from trackbench.datasets.semisynthetic.images import simulate_images
from trackbench.datasets.semisynthetic.shape import load_shapes
from trackbench.errors import InputError, PluginError, UsageError
from trackbench.plugins.tacnn import KnownLabeler, TacnnConfig, TacnnSegmenter, training
from trackbench.plugins.tacnn.frames import prepare
from trackbench.plugins.tacnn.training_config import TrainingConfig

NEURONS, VOLUMES = 10, 6
SETTINGS = TrainingConfig(base_steps=50, extra_steps=40, rounds=2, reduce=(1, 1, 1), radius=2.5)
SHORT = SETTINGS.model_copy(update={"base_steps": 4, "extra_steps": 4})
NEAR_UM = 4.0


@pytest.fixture(scope="session")
def worm(tmp_path_factory):
    """Write a recording of a small worm that hardly moves."""
    config = PRESETS["small"].model_copy(
        update={"neurons": NEURONS, "volumes": VOLUMES, "shape": (12, 32, 64), "movement": 0.4}
    )
    path = tmp_path_factory.mktemp("tacnn") / "worm.h5"
    write_recording(path, simulate_images(load_shapes(), config, 5))
    return path


@pytest.fixture
def recording(worm):
    with open_recording(worm) as opened:
        yield opened


@pytest.fixture(scope="session")
def weights(worm, tmp_path_factory):
    """Train on the points of frame 0."""
    with open_recording(worm) as opened:
        labels = {0: opened.points(0)}
        return training.train(opened, labels, SETTINGS, tmp_path_factory.mktemp("run"), targets=3)


def segmenter(weights):
    return TacnnSegmenter(TacnnConfig(weights=weights))


def named(cloud):
    """Give the position by the name that the evidence makes most probable."""
    best = cloud.evidence.log_p[:, :-1].argmax(axis=1)
    return {cloud.evidence.names[k]: at for k, at in zip(best, cloud.zyx_um, strict=True)}


def accuracy(found, truth):
    place = named(found)
    near = [
        name in place and np.linalg.norm(place[name] - at) <= NEAR_UM
        for name, at in zip(truth.names, truth.zyx_um, strict=True)
    ]
    return np.mean(near)


# --- what it learns


@pytest.mark.slow
def test_it_names_the_neurons_of_frames_that_nobody_labelled(recording, weights):
    plugin = segmenter(weights)
    found = [accuracy(plugin.segment(recording.volume(t)), recording.points(t)) for t in (2, 4)]
    assert np.mean(found) >= 0.8


@pytest.mark.slow
def test_evidence_is_a_table_over_all_names_that_were_labelled(recording, weights):
    cloud = segmenter(weights).segment(recording.volume(1))
    assert set(cloud.evidence.names) == set(recording.points(0).names)
    assert np.allclose(np.exp(cloud.evidence.log_p).sum(axis=1), 1, atol=1e-4)
    assert cloud.names is None


@pytest.mark.slow
def test_the_posture_map_and_the_header_say_what_was_learned(recording, weights):
    picture = (weights.parent / "postures.png").read_bytes()
    assert picture.startswith(b"\x89PNG")
    about = segmenter(weights).trained.about
    assert about["labelled"] == [0]
    assert len(about["targets"]) == 3
    assert 0 not in about["targets"]
    assert about["config"]["base_steps"] == SETTINGS.base_steps


@pytest.mark.slow
def test_the_labelled_frame_counts_as_seen_and_no_other(recording, weights):
    seen = segmenter(weights).trained_on
    assert animal_key(recording.points(0).zyx_um) in seen
    assert animal_key(recording.points(3).zyx_um) not in seen


@pytest.mark.slow
def test_the_guide_can_be_left_out(recording, weights):
    volume = recording.volume(3)
    plain = TacnnSegmenter(TacnnConfig(weights=weights, guide_um=0)).segment(volume)
    tight = TacnnSegmenter(TacnnConfig(weights=weights, guide_um=1)).segment(volume)
    assert not np.array_equal(plain.evidence.log_p, tight.evidence.log_p)
    surest = [cloud.evidence.log_p[:, :-1].max(axis=1).mean() for cloud in (plain, tight)]
    assert surest[1] > surest[0]


@pytest.mark.slow
def test_the_weights_keep_the_frames_that_were_labelled(recording, weights):
    (reference,) = segmenter(weights).trained.references
    truth = recording.points(0)
    frame = prepare(recording.volume(0), segmenter(weights).trained.canvas)
    assert np.allclose(frame.to_um(reference.voxels), truth.zyx_um, atol=1e-3)
    assert np.allclose(reference.image, frame.image, atol=1e-3)
    names = segmenter(weights).trained.names
    assert [names[k - 1] for k in reference.classes] == list(truth.names)


@pytest.mark.slow
def test_masks_are_learned_and_predicted_as_masks(recording, tmp_path):
    config = SETTINGS.model_copy(update={"extra_steps": 0})
    path = training.train(recording, {0: recording.labels(0)}, config, tmp_path, targets=1)
    plugin = segmenter(path)
    assert plugin.trained.about["masks"]
    truth, found = recording.labels(1), plugin.label_volume(recording.volume(1))
    assert found.shape == truth.shape
    names = plugin.trained.names
    near = 0
    for number in np.unique(truth[truth > 0]):
        own = found == names.index(str(number)) + 1
        if own.any():
            apart = np.argwhere(own).mean(axis=0) - np.argwhere(truth == number).mean(axis=0)
            near += np.linalg.norm(apart * recording.header.voxel_um) <= NEAR_UM
    assert near / len(np.unique(truth[truth > 0])) >= 0.7


# --- resuming


def tensors(path):
    from safetensors.torch import load_file

    return load_file(path)


@pytest.mark.parametrize("end", [2, 6])
def test_a_run_that_was_ended_reaches_the_same_weights(recording, tmp_path, monkeypatch, end):
    labels = {0: recording.points(0)}
    whole = training.train(recording, labels, SHORT, tmp_path / "whole", targets=2)
    monkeypatch.setattr(training, "CHECKPOINT_SECONDS", 0.0)

    def interrupt(done, loss):
        if done == end + 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        training.train(recording, labels, SHORT, tmp_path / "run", targets=2, advance=interrupt)
    told = []
    resumed = training.train(
        recording, labels, SHORT, tmp_path / "run", targets=2, advance=lambda n, _: told.append(n)
    )
    assert told[0] == end + 1
    first, second = tensors(whole), tensors(resumed)
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_a_checkpoint_of_other_labels_is_refused(recording, tmp_path):
    short = SHORT.model_copy(update={"base_steps": 1, "extra_steps": 0})
    training.train(recording, {0: recording.points(0)}, short, tmp_path, targets=1)
    with pytest.raises(InputError, match="another config or other data"):
        training.train(recording, {1: recording.points(1)}, short, tmp_path, targets=1)


def test_another_seed_gives_other_weights(recording, tmp_path):
    short = SHORT.model_copy(update={"base_steps": 1, "extra_steps": 0})
    labels = {0: recording.points(0)}
    found = [
        tensors(
            training.train(
                recording, labels, short.model_copy(update={"seed": seed}), tmp_path / str(seed)
            )
        )
        for seed in (0, 1)
    ]
    assert any(not torch.equal(found[0][name], found[1][name]) for name in found[0])


# --- what is refused


def test_without_weights_the_error_says_how_to_make_them(recording):
    with pytest.raises(PluginError, match="trackbench train tacnn"):
        TacnnSegmenter().segment(recording.volume(0))
    assert TacnnSegmenter().trained_on == frozenset()


def test_weights_of_another_kind_are_refused(tmp_path, recording):
    path = tmp_path / "other.safetensors"
    save_weights(path, {"a": np.zeros(3)}, kind="atlas", version=1, about={}, trained_on=())
    with pytest.raises(InputError, match="weights of atlas"):
        segmenter(path).segment(recording.volume(0))


def test_tensors_that_do_not_fit_their_header_are_refused(tmp_path, recording):
    path = tmp_path / "odd.safetensors"
    sizes = {"channels": 1, "classes": 3, "widths": [32, 64, 96], "fine": 16, "head": 96}
    save_weights(
        path,
        {"a": torch.zeros(3)},
        kind="tacnn",
        version=1,
        about={"architecture": sizes},
        trained_on=(),
    )
    with pytest.raises(InputError, match="not those of the architecture"):
        segmenter(path).segment(recording.volume(0))


def test_a_frame_with_few_names_is_no_training_frame(recording, tmp_path):
    few = recording.points(0).take(np.arange(3))
    with pytest.raises(UsageError, match="3 named neurons"):
        training.train(recording, {0: few}, SHORT, tmp_path)


def test_points_and_masks_do_not_mix(recording, tmp_path):
    labels = {0: recording.points(0), 1: recording.labels(1)}
    with pytest.raises(UsageError, match="points in some frames, masks in others"):
        training.train(recording, labels, SHORT, tmp_path)


def test_points_alone_teach_nothing(recording, tmp_path):
    class Bare(Recording):
        has_images = False

    with pytest.raises(InputError, match="no images"):
        training.train(Bare(recording.header), {0: recording.points(0)}, SHORT, tmp_path)


def test_an_empty_frame_can_not_be_learned(worm, tmp_path):
    copy = tmp_path / "gap.h5"
    copy.write_bytes(worm.read_bytes())
    with h5py.File(copy, "a") as file:
        file["1/frame"][...] = 0
    with open_recording(copy) as opened:
        cloud = opened.points(0)
        with pytest.raises(InputError, match="frame 1 is empty"):
            training.train(opened, {1: cloud}, SHORT, tmp_path / "run")
        training.train(opened, {0: cloud}, SHORT, tmp_path / "run", targets=2)


def test_a_mask_of_another_shape_is_named(worm, tmp_path):
    copy = tmp_path / "odd.h5"
    copy.write_bytes(worm.read_bytes())
    with h5py.File(copy, "a") as file:
        del file["2/mask"]
        file["2/mask"] = np.zeros((3, 3, 3), np.int16)
    with open_recording(copy) as opened, pytest.raises(InputError, match="2/mask"):
        opened.labels(2)


# --- names without a matcher


def case(cloud):
    return Case("c", (), cloud, Truth(("",) * len(cloud)), "a", "test", "p")


def test_known_names_come_from_the_segmenter_alone():
    table = Evidence(("A", "B"), np.log([[0.7, 0.2, 0.1]]))
    cloud = PointCloud(np.zeros((1, 3)), evidence=table)
    labeler = KnownLabeler()
    assert labeler.evidence(labeler.fit(()), cloud, ()) is table
    assert reason_to_skip(labeler, case(cloud)) is None
    assert "knows identities" in reason_to_skip(labeler, case(PointCloud(np.zeros((1, 3)))))
