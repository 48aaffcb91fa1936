"""Volumes are tracked one by one: what is wrong with one costs that one and is flagged."""

import shutil

import h5py
import numpy as np
import pytest

from trackbench.errors import CellsFailedError, InputError, UsageError
from trackbench.track import STATUSES, independent, read_tracks, track, write_tracks
from trackbench.track.parts import Parts
from trackbench.track.plan import Source
from trackbench.track.truth import RIGHT, UNKNOWN, WRONG, held_against_truth

NEURONS, VOLUMES = 40, 70  # of the conftest's recording


def same(a, b):
    for field in ("zyx_um", "confidence", "flags", "row", "matched", "status", "numbers"):
        np.testing.assert_array_equal(getattr(a, field), getattr(b, field), err_msg=field)
    assert a.names == b.names


def test_neurons_are_followed(recording, tracked, clouds):
    assert tracked.zyx_um.shape[0] == VOLUMES
    assert set(tracked.status) == {STATUSES.index("tracked")}
    verdicts = held_against_truth(Source(recording).open(), tracked)
    assert verdicts.accuracy > 0.93
    assert verdicts.known > 0.8 * VOLUMES * NEURONS
    found = tracked.flags > 0
    assert np.isfinite(tracked.zyx_um).all(axis=2).tolist() == found.tolist()
    assert (tracked.confidence[found] > 0).all()
    assert (tracked.confidence[~found] == 0).all()
    assert np.corrcoef(tracked.confidence[found], verdicts.verdict[found] == RIGHT)[0, 1] > 0.1


def test_the_template_is_tracked_onto_itself(tracked, clouds):
    named = np.array([bool(name) for name in clouds[0].names])
    np.testing.assert_allclose(tracked.zyx_um[0][named], clouds[0].zyx_um[named], atol=2e-3)


def test_any_number_of_workers_gives_the_same(recording, plan_of, tracked, tmp_path):
    tracks, _, peak = track(plan_of(recording), tmp_path / "t.h5", workers=2)
    same(tracks, tracked)
    assert len(peak.by_process) == 3
    assert 0.05 < peak.gib < 4


def test_an_unfinished_run_is_gone_on_with(recording, plan_of, tracked, tmp_path):
    plan, out = plan_of(recording), tmp_path / "t.h5"
    track(plan, out)
    (out.with_name("t.h5.parts") / "000001.npz").unlink()
    counted = []
    tracks, _, _ = track(plan, out, advance=counted.append)
    assert counted == [64, VOLUMES - 64]
    same(tracks, tracked)
    with pytest.raises(UsageError, match="other settings"):
        track(plan_of(recording, "nearest"), out)
    Parts.forget(out)
    track(plan_of(recording, "nearest"), out)


def test_the_key_knows_settings_and_content(recording, plan_of, tmp_path):
    key = plan_of(recording).key
    assert plan_of(recording).key == key
    others = [
        plan_of(recording, "cpd[w=0.1]").key,
        plan_of(recording, "nearest").key,
        plan_of(recording, template=1).key,
    ]
    copy = tmp_path / recording.name
    shutil.copytree(recording, copy)
    assert plan_of(copy).key == key
    next(copy.glob("*-9.csv")).unlink()
    others.append(plan_of(copy).key)
    assert len({key, *others}) == 5


def test_a_track_is_not_resumed_by_another_backend(recording, plan_of, tmp_path, monkeypatch):
    out = tmp_path / "t.h5"
    track(plan_of(recording, "two-ways"), out)
    monkeypatch.setenv("TRIAL_FAST", "1")
    with pytest.raises(UsageError, match="other settings"):
        track(plan_of(recording, "two-ways"), out)


@pytest.fixture
def damaged(recording, tmp_path):
    folder = tmp_path / "worm"
    shutil.copytree(recording, folder)
    (folder / "recording-3-20.csv").write_text("z_um,y_um,x_um,name\n")
    (folder / "recording-3-31.csv").write_text("z_um,y_um,x_um,name\n1,2,nan,\n")
    return folder


def test_an_empty_and_an_unreadable_volume_are_tracked_through(damaged, plan_of, tracked, tmp_path):
    tracks, notes, _ = track(plan_of(damaged), tmp_path / "t.h5")
    assert [STATUSES[tracks.status[t]] for t in (20, 31)] == ["empty", "unreadable"]
    assert [number for number, _ in notes] == [31]
    assert "recording-3-31.csv: line 2" in notes[0][1]
    others = np.delete(np.arange(VOLUMES), [20, 31])
    np.testing.assert_array_equal(tracks.zyx_um[others], tracked.zyx_um[others])
    assert not tracks.flags[[20, 31]].any()


def test_a_matcher_that_throws_costs_one_volume(recording, plan_of, tmp_path):
    renamed = tmp_path / "worm"
    shutil.copytree(recording, renamed)
    tracks, notes, _ = track(plan_of(renamed, "raising"), tmp_path / "t.h5")
    assert tracks.status.tolist() == [3 * (t % 2) for t in range(VOLUMES)]
    assert notes[0] == (1, "raising: ValueError: no idea about this one")


def test_a_worker_that_dies_is_an_error_and_what_is_done_stays(recording, plan_of, tmp_path):
    plan = plan_of(recording, "killed")
    with pytest.raises(CellsFailedError, match="worker process died"):
        track(plan, tmp_path / "t.h5", workers=2)


@pytest.fixture
def glowing(tmp_path):
    """Ten voxels of their own brightness in each of 20 volumes; volume 9 is dark."""
    rng = np.random.default_rng(0)
    with h5py.File(tmp_path / "glow.h5", "w") as file:
        file.attrs["voxel_um"] = (2.0, 1.0, 1.0)
        for t in range(20):
            image = np.zeros((1, 30, 30, 6), np.int16)
            place = rng.permutation(image.size)[:10]
            image.ravel()[place] = np.arange(11, 21) * (t != 9)
            file[f"{t}/frame"] = image
    return tmp_path / "glow.h5"


def test_a_segmenter_that_knows_who_is_who_needs_no_template(glowing, plan_of, tmp_path):
    plan = plan_of(glowing, matcher=None, template=None, segmenter="knowing")
    tracks, _, _ = track(plan, tmp_path / "t.h5", workers=2)
    assert tracks.names == tuple(f"N{i}" for i in range(11, 31))
    assert STATUSES[tracks.status[9]] == "empty"
    with h5py.File(glowing) as file:
        for t in (0, 19):
            for k in range(11, 21):
                x, y, z = np.argwhere(file[f"{t}/frame"][0] == k)[0]
                assert tracks.zyx_um[t, k - 11].tolist() == [2 * z, y, x]


def test_a_frame_without_points_of_its_own_is_segmented_as_template(glowing, plan_of):
    plan = plan_of(glowing, template=3, segmenter="knowing")
    assert len(plan.template) == 10
    assert all(name.startswith("?") for name in plan.names)
    with pytest.raises(UsageError, match="frame 9 is empty"):
        plan_of(glowing, template=9, segmenter="knowing")


def test_what_cant_be_tracked(recording, glowing, plan_of):
    with pytest.raises(UsageError, match="no images"):
        plan_of(recording, segmenter="knowing")
    with pytest.raises(UsageError, match="no points of its own"):
        plan_of(glowing)
    with pytest.raises(UsageError, match="give a template"):
        plan_of(recording, matcher=None, template=None)
    with pytest.raises(UsageError, match="no frame 700"):
        plan_of(recording, template=700)


def test_tracks_come_back_from_the_file(tracked, tmp_path):
    written = write_tracks(tmp_path / "t.h5", tracked)
    assert [path.name for path in written] == ["t.h5", "t.csv"]
    again = read_tracks(tmp_path / "t.h5")
    same(again, tracked)
    same(independent(again), tracked)
    assert again.attributes == tracked.attributes
    import pandas as pd

    table = pd.read_csv(tmp_path / "t.csv")
    assert len(table) == (tracked.flags > 0).sum()
    row = table.iloc[100]
    position = tracked.zyx_um[row.frame, row.track]
    np.testing.assert_allclose(row[["z_um", "y_um", "x_um"]].astype(float), position, atol=6e-4)
    assert row.how == "matched"


@pytest.mark.parametrize("share", [0.0, 0.5])
def test_damaged_tracks_are_one_line(tracked, tmp_path, share):
    path = tmp_path / "t.h5"
    write_tracks(path, tracked, table=False)
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    with pytest.raises(InputError, match="trackbench track wrote"):
        read_tracks(path)
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["tracks"] = np.zeros(3)
    with pytest.raises(InputError, match="no tracks of this version"):
        read_tracks(tmp_path / "other.h5")


def test_a_swap_is_told_by_the_truth(recording, tracked):
    import dataclasses

    position = tracked.zyx_um.copy()
    a, b = (tracked.names.index(name) for name in [n for n in tracked.names if n][:2])
    position[10, [a, b]] = position[10, [b, a]]
    swapped = dataclasses.replace(tracked, zyx_um=position)
    source = Source(recording).open()
    before = held_against_truth(source, tracked).verdict[10, [a, b]]
    after = held_against_truth(source, swapped).verdict[10, [a, b]]
    assert before.tolist() == [RIGHT, RIGHT]
    assert after.tolist() == [WRONG, WRONG]
    nameless = dataclasses.replace(tracked, names=("",) * len(tracked.names))
    assert set(held_against_truth(source, nameless).verdict.ravel()) == {UNKNOWN}
