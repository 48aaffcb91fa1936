import numpy as np
import pytest
import torch
from scipy.sparse import csr_array

from trackbench.core.types import PointCloud
from trackbench.plugins.nerve.consensus import agree, link
from trackbench.plugins.nerve.recording import learn
from trackbench.plugins.nerve.settings import Settings
from trackbench.plugins.nerve.voters import nearest

NAMES = tuple(f"N{i:02d}" for i in range(60))


def worm(seed=0):
    return np.random.default_rng(seed).normal(size=(60, 3)) * [9.0, 8.0, 30.0]


def bent(amount, seed):
    """Bend into a C, with detection noise."""
    z, y, x = worm().T
    rng = np.random.default_rng(seed)
    return np.stack([z, y + amount * (x / 30.0) ** 2, x], axis=1) + 0.5 * rng.normal(size=(60, 3))


def volumes(amounts):
    """Volumes in one order of the neurons, the first one labeled."""
    clouds = [PointCloud(bent(a, seed=i), id=str(i)) for i, a in enumerate(amounts)]
    clouds[0] = PointCloud(clouds[0].zyx_um, names=NAMES, id="0")
    return clouds


def share_found(recording):
    """Share of neurons whose likeliest candidate is the right one, the labeled volume apart."""
    return float((recording.members[1:].argmax(dim=-1) == torch.arange(60)).float().mean())


def test_volumes_that_name_each_other_know_more_of_far_postures():
    chain = volumes(np.linspace(0.0, 25.0, 12))
    alone, together = (learn(chain, Settings(rounds=n, voters=4)) for n in (0, 3))
    assert share_found(together) > share_found(alone) + 0.02


def test_tables_stay_normalised_and_the_labeled_volume_stays_itself():
    recording = learn(volumes([0.0, 3.0, 6.0, 9.0]), Settings(rounds=2, voters=2))
    np.testing.assert_allclose(recording.members.sum(dim=-1), 1.0, atol=1e-4)
    np.testing.assert_array_equal(recording.members[0, :, :-1], np.eye(60))


def test_a_volume_never_votes_on_itself():
    recording = learn(volumes([0.0, 3.0, 6.0]), Settings(rounds=0))
    links = link(recording.templates, recording.shapes, Settings(voters=10)).toarray()
    for r in range(3):
        own = links[60 * r : 60 * (r + 1)]
        assert not own[:, 60 * r : 60 * (r + 1)].any()
        assert 0.8 < own.sum(axis=1).mean() < 1.0 + 1e-6


def told(says, names, prefer_named, rounds=1):
    """Give the table of a volume whose neurons are linked to those of the one labeled volume.

    Rows of `says` are the volume's neurons, columns those of the labeled one.
    """
    rows, columns = np.shape(says)
    size = max(rows, columns)
    members = torch.zeros(2, size, columns + 1)
    members[0, :columns, :columns] = torch.eye(columns)
    members[0, columns:, -1] = members[1, :, -1] = 1.0
    known = torch.zeros(2, size, dtype=torch.bool)
    known[0] = True
    links = np.zeros((2 * size, 2 * size), dtype=np.float32)
    links[size : size + rows, :columns] = says
    settings = Settings(rounds=rounds, prefer_named=prefer_named)
    return agree(members, known, csr_array(links), names, settings)[1, :rows].numpy()


def test_what_no_volume_says_is_none():
    np.testing.assert_allclose(told([[0.6]], ("A",), 0.0), [[0.6, 0.4]], atol=1e-6)


def test_of_two_neurons_one_gets_the_name():
    says = [[0.9, 0.05], [0.8, 0.1]]
    found = told(says, ("A", "?1"), 0.0)
    assert found[0, 0] > 0.6
    assert found[1, 0] < 0.4
    assert found[:, 0].sum() < 1.01
    np.testing.assert_allclose(found.sum(axis=1), 1.0, atol=1e-6)


def test_a_name_that_a_neuron_carries_is_given_to_no_other():
    members = torch.zeros(2, 2, 2)
    members[0] = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    members[1] = torch.tensor([[1.0, 0.0], [0.1, 0.9]])
    known = torch.tensor([[True, True], [True, False]])
    links = np.zeros((4, 4), dtype=np.float32)
    links[2:, 0] = 0.9
    found = agree(members, known, csr_array(links), ("A",), Settings(rounds=1))
    assert found[1, 0, 0] == 1.0
    assert found[1, 1, 0] < 0.1


def test_a_lone_neuron_gets_the_name_rather_than_its_unnamed_neighbour():
    says = [[0.3, 0.6]]
    names = ("A", "?1")
    plain, preferred = (told(says, names, odds)[0].argmax() for odds in (0.0, 3.0))
    assert (names[plain], names[preferred]) == ("?1", "A")


def test_a_lone_volume_needs_nobody():
    recording = learn(volumes([0.0]), Settings(rounds=3))
    np.testing.assert_array_equal(recording.members[0, :, :-1], np.eye(60))


@pytest.mark.parametrize("turn", [0.0, 1.0, 3.0])
def test_nearest_posture_does_not_depend_on_pose(turn):
    shapes = torch.tensor(np.stack([bent(a, 1) for a in (0.0, 10.0, 20.0)])).float()
    c, s = np.cos(turn), np.sin(turn)
    rotation = torch.tensor([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]]).float()
    order = nearest(shapes, shapes[2] @ rotation.T + 5.0, 3)
    assert order.tolist() == [2, 1, 0]
