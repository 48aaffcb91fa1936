"""Time mends what single volumes have wrong, and leaves the rest alone."""

import dataclasses

import numpy as np
import pytest

from trackbench.track import FLAGS, SmoothConfig, independent, smoothed
from trackbench.track.plan import Source
from trackbench.track.truth import RIGHT, held_against_truth

MATCHED, REASSIGNED, INTERPOLATED = (FLAGS.index(f) for f in FLAGS[1:])


@pytest.fixture
def unsure(tracked):
    """Give the same tracks with pairs swapped here and there, the matcher unsure of both."""
    rng = np.random.default_rng(0)
    matched, found = tracked.matched.copy(), tracked.detections
    candidate, log_p = found.candidate.copy(), found.log_p.copy()
    swaps = []
    for t in range(0, len(tracked), 3):
        a, b = rng.permutation(np.flatnonzero(matched[t] >= 0))[:2]
        matched[t, [a, b]] = matched[t, [b, a]]
        for j, other in ((a, b), (b, a)):
            row = found.first[t] + matched[t, j]
            candidate[row, :2], log_p[row, :2] = (j, other), np.log([0.5, 0.4])
            log_p[row, 2:] = -12.0
        swaps.append((t, a, b))
    detections = dataclasses.replace(found, candidate=candidate, log_p=log_p)
    return independent(dataclasses.replace(tracked, matched=matched, detections=detections)), swaps


def test_swaps_that_the_matcher_was_unsure_of_are_mended(recording, tracked, unsure):
    tracks, swaps = unsure
    source = Source(recording).open()
    mended = smoothed(tracks)
    assert held_against_truth(source, tracks).accuracy < 0.97
    gained = held_against_truth(source, mended).accuracy
    assert gained > held_against_truth(source, tracks).accuracy + 0.01
    back = [mended.row[t, j] == tracked.matched[t, j] for t, *pair in swaps for j in pair]
    assert np.mean(back) > 0.9
    flags = [mended.flags[t, j] for t, *pair in swaps for j in pair]
    assert np.mean(np.array(flags) == REASSIGNED) > 0.9


def test_missing_neurons_are_interpolated_where_they_must_be(recording, tracked):
    t, found = 30, tracked.detections
    right = held_against_truth(Source(recording).open(), tracked).verdict[24:37] == RIGHT
    gone = np.flatnonzero(right.all(axis=0))[:6]
    assert len(gone) >= 4
    rows = found.first[t] + tracked.matched[t, gone]
    matched, zyx_um = tracked.matched.copy(), found.zyx_um.copy()
    log_none, log_p = found.log_none.copy(), found.log_p.copy()
    matched[t, gone], zyx_um[rows], log_none[rows], log_p[rows] = -1, 500.0, 0.0, -14.0
    detections = dataclasses.replace(found, zyx_um=zyx_um, log_none=log_none, log_p=log_p)
    mended = smoothed(dataclasses.replace(tracked, matched=matched, detections=detections))
    assert (mended.flags[t, gone] == INTERPOLATED).mean() > 0.6
    filled = gone[mended.flags[t, gone] == INTERPOLATED]
    error = np.linalg.norm(mended.zyx_um[t, filled] - tracked.zyx_um[t, filled], axis=1)
    assert np.median(error) < 2.0
    assert (mended.confidence[t, filled] >= 0.5).all()
    assert (mended.row[t, filled] == -1).all()


def test_smoothing_doesnt_harm_and_can_be_taken_back(recording, tracked):
    source = Source(recording).open()
    counted = []
    mended = smoothed(tracked, SmoothConfig(rounds=1), counted.append)
    assert sum(counted) == len(tracked)
    before = held_against_truth(source, tracked).accuracy
    assert held_against_truth(source, mended).accuracy >= before - 0.002
    assert (mended.flags == MATCHED).mean() > 0.8
    np.testing.assert_array_equal(independent(mended).zyx_um, tracked.zyx_um)
    assert "smoothed" in mended.attributes
    assert "smoothed" not in independent(mended).attributes


def test_an_empty_volume_stays_empty(tracked):
    matched = tracked.matched.copy()
    matched[30] = -1
    first = tracked.detections.first.copy()
    count = first[31] - first[30]
    first[31:] -= count
    rows = np.delete(
        np.arange(len(tracked.detections.zyx_um)), np.arange(first[30], first[30] + count)
    )
    fields = {
        name: getattr(tracked.detections, name)[rows]
        for name in ("zyx_um", "candidate", "log_p", "log_none")
    }
    detections = dataclasses.replace(tracked.detections, first=first, **fields)
    mended = smoothed(dataclasses.replace(tracked, matched=matched, detections=detections))
    assert not mended.flags[30].any()
    assert (mended.flags[29] > 0).mean() > 0.8
