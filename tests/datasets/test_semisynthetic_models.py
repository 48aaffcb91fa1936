"""The shipped atlas, the anatomical frame, the paper's simulator and recordings."""

import dataclasses

import numpy as np
import pytest
import torch

from trackbench.core.geometry import fit_rigid
from trackbench.datasets.semisynthetic.recording import RecordingConfig, record
from trackbench.datasets.semisynthetic.shape import fit_shapes, load_shapes, save_shapes
from trackbench.datasets.semisynthetic.worms import (
    LabeledWorm,
    anatomical_axes,
    read_worms,
    to_anatomical_frame,
)
from trackbench.datasets.semisynthetic.yu2021 import simulate_yu2021
from trackbench.errors import InputError


@pytest.fixture(scope="module")
def shapes():
    return load_shapes()


def heads(shapes, count):
    worms = []
    for seed in range(count):
        points, names = shapes.draw(np.random.default_rng(seed))
        worms.append(LabeledWorm(points, names, np.zeros((len(points), 3)), f"worm{seed}"))
    return worms


def test_the_paper_simulator_has_its_counts(shapes):
    """120 neurons a head: 102.0 labels a worm, 86.5 common to a pair, over 4000 worms."""
    rng = np.random.default_rng(0)
    points = np.stack([shapes.draw_head(rng, 120)[0] for _ in range(100)])
    batch = torch.as_tensor(points, dtype=torch.float32)
    present = torch.ones(batch.shape[:2], dtype=torch.bool)
    generator = torch.Generator().manual_seed(0)
    labels, common = [], []
    for _ in range(20):
        views = simulate_yu2021(batch, present, generator, 2)
        labels += (views.neuron >= 0).sum(-1).flatten().tolist()
        for first, second in zip(*views.neuron.numpy(), strict=True):
            common.append(len(np.intersect1d(first[first >= 0], second[second >= 0])))
    assert np.mean(labels) == pytest.approx(102.0, abs=0.3)
    assert np.mean(common) == pytest.approx(86.5, abs=0.6)


def test_the_paper_simulator_keeps_spurious_points_apart(shapes):
    points, _ = shapes.draw_head(np.random.default_rng(1), 120)
    batch = torch.as_tensor(points[None], dtype=torch.float32)
    present = torch.ones(batch.shape[:2], dtype=torch.bool)
    views = simulate_yu2021(batch, present, torch.Generator().manual_seed(5), 40)
    counts = (views.neuron == -1).sum(-1)
    assert counts.max() <= 20
    assert counts.float().mean() > 1


def test_the_frame_is_found_from_any_pose_and_either_handedness(shapes):
    worms = heads(shapes, 5)
    rng = np.random.default_rng(0)
    turned = []
    for i, worm in enumerate(worms):
        rotation = np.linalg.qr(rng.standard_normal((3, 3)))[0]
        rotation *= np.sign(np.linalg.det(rotation))
        flip = np.array([-1.0, 1.0, 1.0]) if i % 2 else np.ones(3)
        points = (worm.zyx_um @ rotation + rng.normal(0, 50, 3)) * flip
        turned.append(dataclasses.replace(worm, zyx_um=points, mirrored=bool(i % 2)))
    for worm, back in zip(worms, to_anatomical_frame(turned), strict=True):
        matrix = fit_rigid(back.zyx_um, worm.zyx_um).matrix
        degrees = np.degrees(np.arccos(np.clip((np.trace(matrix) - 1) / 2, -1, 1)))
        assert degrees < 15
        assert not back.mirrored


def test_anatomical_axes_of_a_frame_that_is_anatomical(shapes):
    axes = anatomical_axes(shapes.mean_um, shapes.names)
    assert np.linalg.det(axes) == pytest.approx(1.0)
    assert np.diag(axes).min() > 0.97
    position = dict(zip(shapes.names, shapes.mean_um, strict=True))
    assert position["OLQDL"][2] < position["AVAL"][2] < position["RIFL"][2]
    assert position["AVAL"][0] < position["AVAR"][0]
    assert position["RMED"][1] < position["RMEV"][1]


def test_the_shipped_atlas_says_what_it_was_made_of(shapes):
    assert len(shapes.trained_on) == 55
    assert 150 < shapes.presence.sum() < len(shapes.names)
    eigenvalues = np.linalg.eigvalsh(shapes.covariance_um2)
    assert eigenvalues.min() > 0
    assert np.sqrt(eigenvalues[:, -1]).max() < 30


@pytest.mark.real_data
def test_the_shipped_atlas_is_the_fit_of_the_train_worms(real_data, shapes):
    worms = read_worms(real_data)
    if len(worms) < 55:
        pytest.skip("a partial copy of the train worms")
    fitted = fit_shapes(to_anatomical_frame(worms))
    assert fitted.names == shapes.names
    assert fitted.trained_on == shapes.trained_on
    np.testing.assert_allclose(fitted.mean_um, shapes.mean_um, atol=1e-2)


def test_an_atlas_survives_its_file(shapes, tmp_path):
    path = tmp_path / "shapes.safetensors"
    save_shapes(path, shapes)
    read = load_shapes(path)
    assert read.names == shapes.names
    np.testing.assert_array_equal(read.modes_um, shapes.modes_um)
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(InputError, match="not a readable"):
        load_shapes(path)


def test_a_fit_to_drawn_heads_recovers_their_atlas(shapes):
    fitted = fit_shapes(heads(shapes, 40))
    where = {name: i for i, name in enumerate(shapes.names)}
    index = [where[name] for name in fitted.names]
    # the standard error of a mean of forty is a sixth of the spread
    spread = np.sqrt(np.trace(shapes.covariance_um2[index], axis1=1, axis2=2))
    distance = np.linalg.norm(fitted.mean_um - shapes.mean_um[index], axis=1)
    assert np.median(distance / spread) < 0.35
    assert fitted.presence.sum() == pytest.approx(shapes.presence.sum(), rel=0.05)


def test_a_recording_moves_smoothly_and_keeps_its_names(shapes):
    config = RecordingConfig(volumes=30, drop=0.0, spurious=0.0, noise_um=0.0, turn=0.0)
    volumes = record(shapes, config, seed=7)
    assert len({volume.id for volume in volumes}) == 30
    assert {volume.names for volume in volumes} == {volumes[0].names}

    def distances(volume):
        return np.linalg.norm(volume.zyx_um[:, None] - volume.zyx_um, axis=2)

    first = distances(volumes[0])
    step = np.mean(np.abs(distances(volumes[1]) - first))
    assert 0 < step < np.mean([np.abs(distances(v) - first).mean() for v in volumes[10:]])


def test_a_recording_misses_and_adds_points(shapes):
    config = RecordingConfig(volumes=40, drop=0.2, spurious=0.1)
    volumes = record(shapes, config, seed=1)
    blank = [sum(name == "" for name in volume.names) for volume in volumes]
    assert np.mean(blank) == pytest.approx(12, abs=3)
    assert np.mean([len(v) for v in volumes]) - np.mean(blank) == pytest.approx(96, abs=4)
    again = record(shapes, config, seed=1)
    np.testing.assert_array_equal(again[5].zyx_um, volumes[5].zyx_um)
