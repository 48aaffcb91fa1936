"""The embedded dataset as a method meets it: seeds, splits, counts and truth."""

import subprocess
import sys

import numpy as np
import pytest

from trackbench.datasets.semisynthetic.dataset import SemiSynthetic, SemiSyntheticConfig


def cases(split="test", protocol="semi-synthetic", **config):
    return list(SemiSynthetic(SemiSyntheticConfig(**config)).cases(protocol, split, None))


def shared(case):
    return ({*case.templates[0].names} & {*case.truth.names}) - {""}


def test_a_pair_has_the_counts_of_the_paper():
    """Yu et al. 2021, Table 3: 102.1 labels a head, 85.7 in both views of a pair."""
    found = cases(limit=200)
    labels = [sum(name != "" for name in case.truth.names) for case in found]
    assert np.mean(labels) == pytest.approx(102.0, abs=2.0)
    assert np.mean([len(shared(case)) for case in found]) == pytest.approx(86.5, abs=2.5)
    assert 0 < np.mean([case.truth.names.count("") for case in found]) < 15


def test_a_case_depends_on_its_seed_alone():
    few = {case.id: case for case in cases(limit=3, pairs=9)}
    many = {case.id: case for case in cases(pairs=9)}
    assert list(few) == ["pair-2000000", "pair-2000004", "pair-2000008"]
    assert len(many) == 9
    for name, case in few.items():
        np.testing.assert_array_equal(case.test.zyx_um, many[name].test.zyx_um)
        assert case.truth.names == many[name].truth.names


def test_both_views_show_one_head():
    """Bending and stretching leave the neighbours of a neuron where they were."""
    for case in cases(limit=5):
        names = sorted(shared(case))
        rows = (
            [list(all_names).index(name) for name in names]
            for all_names in (case.templates[0].names, case.truth.names)
        )
        clouds = (case.templates[0], case.test)
        first, second = (cloud.zyx_um[index] for cloud, index in zip(clouds, rows, strict=True))
        distance = [np.linalg.norm(view[:, None] - view, axis=2) for view in (first, second)]
        near = (distance[0] < 10) & (distance[0] > 0)
        assert np.abs(distance[0] - distance[1])[near].mean() < 3


def test_splits_share_no_head():
    heads = {split: cases(split, limit=4) for split in ("train", "validation", "test")}
    animals = [case.animal for found in heads.values() for case in found]
    assert len(set(animals)) == len(animals) == 12


@pytest.mark.parametrize("protocol", ["semi-synthetic", "semi-synthetic-recording"])
def test_cases_hide_the_truth_and_need_no_data(protocol):
    dataset = SemiSynthetic(SemiSyntheticConfig(volumes=5, pairs=4))
    assert dataset.source(protocol) is None
    found = list(dataset.cases(protocol, "test", None))
    assert len(found) == dataset.expected_cases(protocol, "test") == 4
    for case in found:
        assert case.test.names is None
        assert len(case.truth.names) == len(case.test)
        assert len(case.templates) == 1
        assert len(shared(case)) > 50


def test_images_come_with_their_truth_and_are_an_oracle_without_a_segmenter():
    dataset = SemiSynthetic(SemiSyntheticConfig(images=5, volumes=9, neurons=40))
    found = list(dataset.cases("semi-synthetic-images", "test", None))
    assert len(found) == dataset.expected_cases("semi-synthetic-images", "test") == 5
    assert [case.animal for case in found] == ["images-2000000"] * 4 + ["images-2000001"]
    assert len({case.id for case in found}) == 5
    for case in found:
        assert case.oracle
        assert case.truth.complete
        assert case.test.names is None
        assert case.volume is not None
        voxel = np.round(case.test.zyx_um / case.volume.voxel_um).astype(int)
        red = case.volume.data[0]
        assert np.median(red[tuple(voxel.T)]) > 2 * np.median(red)
        assert set(case.truth.names) == set(case.templates[0].names)


def test_importing_the_dataset_does_not_load_torch():
    code = (
        "import sys, trackbench.datasets.semisynthetic.dataset; "
        "sys.exit('torch' in sys.modules or 'pandas' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
