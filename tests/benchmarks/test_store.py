"""The store: whole cells or none, one writer, what is damaged counts as absent."""

import gzip
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trackbench import Match, PointCloud
from trackbench.benchmarks.atomic import write_atomically
from trackbench.benchmarks.record import OK, CellRecord, Prediction, Row
from trackbench.benchmarks.stages import MAX_STAGE_BYTES, StageCache
from trackbench.benchmarks.store import Store
from trackbench.errors import StoreError

KEY = "ab" * 16


def record(key=KEY, **changes):
    prediction = Prediction(("A", ""), ("A", ""), (1 / 3, 0.0), ("A", ""), (("A",), ()),
                            (-0.1, None), (True, False))  # fmt: skip
    row = Row("c", "worm", "lab", OK, notes=("mended",), prediction=prediction)
    return CellRecord(key, (row, Row("d", "worm", "", "failed", "why", "log")))


@pytest.fixture
def store(tmp_path):
    return Store.create(tmp_path / "store")


def test_a_cell_comes_back_as_it_was(store):
    store.write_cell(record())
    assert store.cell(KEY) == record()
    assert store.has_cell(KEY)
    assert record().failed


def test_an_absent_cell(store):
    assert store.cell(KEY) is None
    assert not store.has_cell(KEY)


@pytest.mark.parametrize(
    "content", [b"", b"\x1f\x8b", gzip.compress(b"{"), gzip.compress(b'{"key": 1}'), b"plain"]
)
def test_a_damaged_cell_counts_as_absent(store, content):
    store.write_cell(record())
    next(store.folder.rglob("*.json.gz")).write_bytes(content)
    assert store.cell(KEY) is None


def test_opening_again(store):
    store.write_cell(record())
    assert Store.open(store.folder).cell(KEY) == record()
    assert Store.create(store.folder).cell(KEY) == record()


def test_a_store_of_another_schema_is_refused(store):
    (store.folder / "store.json").write_text(json.dumps({"schema": 99, "trackbench": "9.9"}))
    with pytest.raises(StoreError, match=r"schema 99.*trackbench 9\.9"):
        Store.open(store.folder)


def test_a_file_is_no_store(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="is no result store"):
        Store.create(tmp_path / "file")


def test_a_store_that_another_run_is_making_is_no_strange_folder(tmp_path):
    (tmp_path / ".part-of-a-marker").touch()
    Store.create(tmp_path)
    assert Store.open(tmp_path).folder == tmp_path


def test_only_one_may_write(store):
    with store.lock(), pytest.raises(StoreError, match="another run"), store.lock():
        pass
    with store.lock():
        pass


def test_a_failed_write_leaves_the_old_file(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"old")

    def fail(file):
        file.write(b"half")
        raise OSError(28, "No space left on device")

    with pytest.raises(StoreError, match="No space left"):
        write_atomically(path, fail)
    assert path.read_bytes() == b"old"
    assert [item.name for item in tmp_path.iterdir()] == ["file"]


def test_what_a_killed_run_left_is_swept(store):
    (store.folder / "cells").mkdir()
    (store.folder / "cells" / ".part-x").write_bytes(b"half")
    store.sweep()
    assert not list(store.folder.rglob(".part-*"))


def test_plans_stay_in_order_and_a_repeated_one_moves_to_the_end(store):
    for key in ("a", "b", "a"):
        store.write_plan({"key": key})
    assert [plan["key"] for plan in store.plans()] == ["b", "a"]


clouds = st.lists(
    st.integers(0, 5).flatmap(lambda n: st.just(np.arange(3.0 * n).reshape(n, 3))),
    min_size=1,
    max_size=4,
)


@given(clouds, st.booleans())
def test_kept_clouds_come_back(tmp_path_factory, arrays, colored):
    cache = StageCache(tmp_path_factory.mktemp("stages"))
    kept = [PointCloud(a, a[:, :2] if colored else None) for a in arrays]
    cache.keep_clouds(KEY, kept)
    back = cache.clouds(KEY)
    assert len(back) == len(kept)
    for one, other in zip(kept, back, strict=True):
        np.testing.assert_array_equal(one.zyx_um, other.zyx_um)
        assert (one.color is None) == (other.color is None)


def _matches(case):
    rng = np.random.default_rng(0)
    return [
        Match.from_scores(rng.normal(size=(len(case.test), len(t) + 1)), t.id, case.test.id)
        for t in case.templates
    ]


def test_kept_matches_come_back_to_the_last_bit(tmp_path, planned):
    cases = planned(protocols="trial-several").parts[0].task.cases
    cache = StageCache(tmp_path)
    kept = [_matches(case) for case in cases]
    cache.keep_matches(KEY, kept)
    for row, again in zip(kept, cache.matches(KEY, cases), strict=True):
        for one, other in zip(row, again, strict=True):
            np.testing.assert_array_equal(one.log_p, other.log_p)
            assert (one.template, one.test) == (other.template, other.test)


def test_a_damaged_stage_counts_as_absent(tmp_path, planned):
    cases = planned().parts[0].task.cases
    cache = StageCache(tmp_path)
    cache.keep_matches(KEY, [_matches(case) for case in cases])
    path = next(tmp_path.rglob("*.npz"))
    path.write_bytes(path.read_bytes()[:200])
    assert cache.matches(KEY, cases) is None


def test_a_stage_that_is_too_large_or_has_no_folder_is_not_kept(tmp_path):
    side = int((MAX_STAGE_BYTES / 4) ** 0.5) + 2
    large = Match(np.full((side, side), -np.log(side), dtype=np.float32))
    cache = StageCache(tmp_path)
    cache.keep_matches(KEY, [[large]])
    StageCache(None).keep_matches(KEY, [[large]])
    assert not list(tmp_path.iterdir())


def test_a_stage_folder_that_cannot_be_made_costs_nothing(tmp_path):
    (tmp_path / "file").write_text("")
    cache = StageCache(tmp_path / "file")
    cache.keep_clouds(KEY, [PointCloud(np.zeros((1, 3)))])
    assert cache.clouds(KEY) is None
