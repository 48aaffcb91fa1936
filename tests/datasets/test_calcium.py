import numpy as np
import pytest

from trackbench.core.plugin import DatasetConfig
from trackbench.datasets.calcium import Calcium, read_labeled_frames
from trackbench.errors import InputError, MissingDataError

VOLUMES = {663: [0, 1, 2], 200: [0, -1], 201: [1], 3: [2, 0, -1], 664: [0]}


def cases(root, protocol, split, **config):
    return list(Calcium(DatasetConfig(**config)).cases(protocol, split, root))


def test_one_template_against_every_other_volume(fdnc_folder):
    root = fdnc_folder(VOLUMES)
    found = cases(root, "nguyen2017", "test")
    assert [case.test.id for case in found] == ["nguyen2017-201", "nguyen2017-664"]
    assert [case.test.id for case in cases(root, "nguyen2017", "validation")] == [
        "nguyen2017-3",
        "nguyen2017-200",
    ]
    for case in found:
        assert len(case.templates) == 1
        assert case.templates is found[0].templates
        assert case.templates[0].names == ("0", "1", "2")
        assert case.templates[0].id == "nguyen2017-663"
        assert case.animal == "nguyen2017"
        assert case.test.names is None
        assert case.test.color is None


def test_positions_are_micrometres(fdnc_folder):
    case = cases(fdnc_folder(VOLUMES), "nguyen2017", "validation")[0]
    np.testing.assert_allclose(case.test.zyx_um[1], [168, 84, 252])
    assert case.truth.names == ("2", "0", "")


def test_many_templates_are_unlabeled_but_for_one(fdnc_folder):
    root = fdnc_folder({volume: [0, 1] for volume in (*range(1, 300), 663)})
    found = cases(root, "nguyen2017-100", "test")
    assert len(found) == 99
    templates = found[0].templates
    assert len(templates) == 100
    assert templates[0].id == "nguyen2017-663"
    assert templates[0].names == ("0", "1")
    assert all(template.names is None for template in templates[1:])
    numbers = [int(template.id.split("-")[1]) for template in templates[1:]]
    assert numbers == sorted(set(numbers))
    assert (numbers[0], numbers[-1]) == (1, 299)
    assert set(np.diff(numbers)) == {3, 4} or set(np.diff(numbers)) == {3}
    assert all(case.templates is templates for case in found)


def test_limit_spreads_evenly(fdnc_folder):
    root = fdnc_folder({volume: [0] for volume in (*range(201, 210), 663)})
    found = cases(root, "nguyen2017", "test", limit=3)
    assert [case.test.id[-3:] for case in found] == ["201", "205", "209"]


def test_pairs_of_labeled_frames(targettrack):
    root = targettrack({"ex2": [1, 2], "ex3": [2, 3], "ex4": [1, 4], "ex6": [1]})
    found = cases(root, "targettrack", "all")
    assert len(found) == 12
    assert [case.id for case in found[:3]] == ["A-B", "A-C", "A-D"]
    assert [case.group for case in found] == [case.id for case in found]
    assert found[0].templates[0].names == ("1", "2")
    assert found[0].truth.names == ("2", "3")
    assert found[0].volume.id == "targettrack-B"
    assert {case.id for case in cases(root, "targettrack", "test")} == {"A-D", "B-D", "C-D"}
    train = cases(root, "targettrack", "train")
    assert {case.id for case in train} == {"A-B", "A-C", "B-A", "B-C", "C-A", "C-B"}


def test_frames_as_images_are_an_oracle_without_a_segmenter(targettrack):
    examples = {"ex2": [3, 4, 5], "ex3": [3, 4, 5], "ex4": [3, 4, 5], "ex6": [3, 4, 5]}
    root = targettrack(examples)
    (root / "targettrack" / "data_points" / "ex4" / "frame_gt.npy").unlink()
    found = list(Calcium().cases("targettrack-images", "train", root))
    assert [case.id for case in found] == ["A-B", "B-A"]
    assert all(case.oracle and case.volume is not None for case in found)
    plain = list(Calcium().cases("targettrack", "train", root))
    assert not any(case.oracle for case in plain)
    moved = {case.id: case.test.zyx_um for case in found}
    for case in plain:
        if case.id in moved:
            assert np.allclose(case.test.zyx_um - moved[case.id], [1.95, 0, 0], atol=1e-4)


def test_a_vote_takes_all_other_frames(targettrack):
    root = targettrack({"ex2": [1], "ex3": [2], "ex4": [1], "ex6": [1]})
    assert [case.id for case in cases(root, "targettrack-vote", "all")] == [
        "BCD-A",
        "ACD-B",
        "ABD-C",
        "ABC-D",
    ]
    assert [case.id for case in cases(root, "targettrack-vote", "train")] == [
        "BC-A",
        "AC-B",
        "AB-C",
    ]
    assert [case.id for case in cases(root, "targettrack-vote", "test")] == ["ABC-D"]


def test_frames_that_stand_twice_are_read_once_the_one_with_an_image_first(targettrack):
    root = targettrack({"ex1": [1], "ex5": [3]}, images=False)
    targettrack({"ex2": [1, 2], "ex4": [4]})
    frames = read_labeled_frames(root / "targettrack")
    assert list(frames) == ["A", "B", "C"]
    assert frames["A"].cloud.names == ("1", "2")
    assert frames["A"].volume is not None
    assert frames["B"].volume is None


def test_missing_data_is_one_line_with_the_mend(tmp_path, fdnc_folder, targettrack):
    with pytest.raises(MissingDataError, match="trackbench data fetch nguyen2017"):
        cases(tmp_path, "nguyen2017", "test")
    root = fdnc_folder({1: [0], 201: [0]})
    with pytest.raises(MissingDataError, match="no volume 663"):
        cases(root, "nguyen2017", "test")
    targettrack({"ex2": [1]})
    with pytest.raises(MissingDataError, match="no case of targettrack, split test"):
        cases(root, "targettrack", "test")


def test_a_truncated_volume_is_one_line(fdnc_folder):
    root = fdnc_folder(VOLUMES)
    path = root / "nguyen2017" / "test_tracking" / "real_jeff_all" / "real_201.npy"
    path.write_bytes(path.read_bytes()[:-8])
    with pytest.raises(InputError, match=r"real_201\.npy: can't be read"):
        cases(root, "nguyen2017", "test")


def test_expected_cases_come_from_the_registry():
    dataset = Calcium()
    expected = {
        (protocol.name, split): dataset.expected_cases(protocol.name, split)
        for protocol in dataset.protocols()
        for split in protocol.splits
    }
    assert expected == {
        ("nguyen2017", "test"): 1188,
        ("nguyen2017", "validation"): 183,
        ("nguyen2017-100", "test"): 1188,
        ("nguyen2017-100", "validation"): 183,
        ("targettrack", "all"): 12,
        ("targettrack", "train"): 6,
        ("targettrack", "test"): 3,
        ("targettrack-images", "train"): 6,
        ("targettrack-vote", "all"): 4,
        ("targettrack-vote", "train"): 3,
        ("targettrack-vote", "test"): 1,
    }
    assert [dataset.source(protocol.name) for protocol in dataset.protocols()] == [
        "nguyen2017",
        "nguyen2017",
        "targettrack",
        "targettrack",
        "targettrack",
    ]


@pytest.mark.real_data
def test_the_real_moving_worm(real_data):
    found = cases(real_data, "nguyen2017", "test", limit=200)
    assert len(found) == 200
    template = found[0].templates[0]
    shared = [len({*case.truth.names} & {*template.names} - {""}) for case in found]
    assert np.mean(shared) == pytest.approx(64.4, abs=3)  # published, of 1514 volumes
    assert np.mean([len(case.test) for case in found]) == pytest.approx(117, abs=5)


@pytest.mark.real_data
def test_the_real_labeled_frames(real_data):
    found = {case.id: case for case in cases(real_data, "targettrack", "train")}
    common = {
        pair: len({*found[pair].truth.names} & {*found[pair].templates[0].names})
        for pair in ("A-B", "A-C", "B-C")
    }
    assert common == {"A-B": 82, "A-C": 70, "B-C": 71}
    assert all(case.volume is not None for case in found.values())
