"""The harness on real worms: the ceiling is 1, and weights never meet their own worms unseen."""

from dataclasses import replace

import pytest

from trackbench.benchmarks.record import CONTAMINATED, OK
from trackbench.benchmarks.session import Options, plan_for
from trackbench.benchmarks.session import run as run_session

pytestmark = pytest.mark.real_data


@pytest.fixture
def table(registry, options, real_data):
    def of(**changes):
        wanted = replace(options, datasets="", data_dir=real_data, **changes)
        return run_session(registry, wanted, plan_for(registry, wanted))

    return of


def primary(rows):
    return {row.matcher: row for row in rows if row.primary}


def test_truth_is_the_ceiling_and_random_the_floor(table):
    rows = primary(table(matchers="truth,nearest,random", protocols="chaudhary"))
    assert rows["truth"].mean == 1.0
    assert rows["random"].mean < 0.05 < rows["nearest"].mean < 0.5
    assert rows["nearest"].n_expected == 72
    assert rows["nearest"].unit == "animal"


def test_one_animal_in_many_volumes_is_resampled_by_volume(table):
    row = primary(table(matchers="nearest", protocols="nguyen2017", split="validation"))["nearest"]
    assert (row.n_animals, row.unit) == (1, "case")
    assert row.low < row.mean < row.high


@pytest.mark.parametrize(("split", "status"), [("train", CONTAMINATED), ("test", OK)])
def test_trained_weights_are_contaminated_on_their_own_worms_alone(
    registry, options, real_data, split, status
):
    wanted: Options = replace(
        options,
        datasets="neuropal[limit=3]",
        data_dir=real_data,
        protocols="wormnd-position",
        matchers="fdnc",
        split=split,
    )
    (row,) = [r for r in run_session(registry, wanted, plan_for(registry, wanted)) if r.primary]
    assert set(row.statuses) == {status}
    assert row.headline == (status == OK)
