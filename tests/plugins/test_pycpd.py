"""pycpd: the library behind our interface, given what cpd is given."""

import numpy as np
import pytest

from trackbench import PointCloud
from trackbench.core.assignment import row_argmax
from trackbench.plugins.pycpd import PycpdConfig, PycpdMatcher
from trackbench.testing import toy_recording, toy_worm


def matched(template, test, **fields):
    return PycpdMatcher(PycpdConfig(**fields)).match_pair(template, test).log_p


def test_registers_a_bent_and_turned_worm():
    template, test = toy_recording(60, 2, seed=1)
    angle = np.radians(150)
    turn = np.array(
        [[1, 0, 0], [0, np.cos(angle), -np.sin(angle)], [0, np.sin(angle), np.cos(angle)]]
    )
    log_p = matched(template, PointCloud(test.zyx_um @ turn.T + 40))
    found = np.array([*template.names, ""])[row_argmax(log_p)]
    assert (found == np.array(test.names)).mean() > 0.9


def test_needs_its_starts():
    worm = toy_worm(60, 3)
    turned = PointCloud(worm.zyx_um * np.float32([1, -1, -1]))
    right = [
        (row_argmax(matched(worm, turned, turns=turns, rolls=0)) == np.arange(60)).mean()
        for turns in (0, 8)
    ]
    assert right[1] > 0.9 > right[0]


def test_known_handedness_is_used():
    points = np.random.default_rng(3).normal(0, (8, 12, 25), (60, 3))
    image = PointCloud(points * [1, 1, -1], mirrored=True)
    log_p = matched(PointCloud(points, mirrored=False), image)
    assert (row_argmax(log_p) == np.arange(60)).all()


def test_strangers_have_no_partner():
    worm = toy_worm(60, 1)
    far = worm.zyx_um.mean(axis=0) + np.array([[0, 90, 0], [0, 0, 200]])
    log_p = matched(worm, PointCloud(np.vstack([worm.zyx_um, far])))
    assert row_argmax(log_p)[-2:].tolist() == [-1, -1]


@pytest.mark.parametrize("n", [0, 1, 3])
@pytest.mark.parametrize("m", [0, 1, 3])
def test_few_points(n, m):
    rng = np.random.default_rng(n + 5 * m)
    log_p = matched(PointCloud(rng.normal(0, 5, (n, 3))), PointCloud(rng.normal(0, 5, (m, 3))))
    assert log_p.shape == (m, n + 1)
    assert np.isfinite(log_p).all()


@pytest.mark.parametrize("points", [np.ones((9, 3)), np.arange(9)[:, None] * np.eye(1, 3) * 4])
def test_degenerate_clouds_give_finite_tables(points):
    worm = toy_worm(30, 0)
    for template, test in ((PointCloud(points), worm), (worm, PointCloud(points))):
        assert np.isfinite(matched(template, test)).all()
