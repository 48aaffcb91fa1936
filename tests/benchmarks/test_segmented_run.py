"""Segmenter x matcher x labeler on images: scored from the pixels to the names."""

from dataclasses import replace

import pytest

from trackbench.benchmarks.session import plan_for, run


@pytest.fixture
def table(registry, options):
    """Give a function that runs a plan and gives {(segmenter, matcher, metric): row}."""

    def of(**changes):
        wanted = replace(options, segmenters="blobs,truth", matchers="cpd,nearest", **changes)
        rows = run(registry, wanted, plan_for(registry, wanted))
        return {(row.segmenter, row.matcher, row.metric): row for row in rows}

    return of


@pytest.mark.slow
def test_the_whole_chain_on_simulated_images(table):
    rows = table(datasets="semi-synthetic[images=5]", protocols="semi-synthetic-images")
    found, given = rows["blobs", "cpd", "m_pair"], rows["truth", "cpd", "m_pair"]
    assert found.n_cases == given.n_cases == 5
    assert found.n_animals == 2
    assert found.mean > 0.85
    assert found.mean <= given.mean
    assert given.oracle
    assert not given.headline
    assert found.headline
    assert not found.oracle
    assert rows["blobs", "cpd", "detection_f1"].mean > 0.94
    assert rows["blobs", "cpd", "localisation_um"].mean < 0.5
    assert rows["blobs", "cpd", "splits"].mean < 6
    assert ("truth", "cpd", "detection_f1") not in rows


@pytest.mark.real_data
def test_the_whole_chain_on_real_frames(table, real_data):
    wanted = {"datasets": "calcium", "protocols": "targettrack-images", "data_dir": real_data}
    rows = table(**wanted)
    found, given = rows["blobs", "cpd", "m_pair"], rows["truth", "cpd", "m_pair"]
    assert found.n_cases == given.n_cases == 6
    assert given.oracle
    assert not found.oracle
    assert found.mean > 0.45
    assert rows["blobs", "cpd", "detection_recall"].mean > 0.85
    # people named a part of the nuclei: nothing can be said of precision
    assert ("blobs", "cpd", "detection_precision") not in rows


@pytest.mark.real_data
def test_points_given_as_ever_are_no_oracle_and_no_detection(table, real_data):
    rows = table(
        datasets="calcium", protocols="targettrack", split="train", data_dir=real_data
    )  # fmt: skip
    assert not rows["truth", "cpd", "m_pair"].oracle
    assert rows["truth", "cpd", "m_pair"].headline


def test_the_short_table_shows_detection_beside_the_headline(table, capsys):
    from trackbench.cli.table import print_summary

    rows = table(
        datasets="semi-synthetic[images=1,neurons=40]", protocols="semi-synthetic-images"
    )  # fmt: skip
    print_summary(list(rows.values()))
    printed = capsys.readouterr().out
    assert "detection_f1" in printed
    assert "localisation_um" not in printed
    assert "blobs > cpd > transfer" in printed
