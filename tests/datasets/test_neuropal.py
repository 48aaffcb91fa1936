import pickle
from collections import Counter

import numpy as np
import pytest

from trackbench.datasets.neuropal import NeuroPAL, NeuroPALConfig
from trackbench.datasets.splits import NEUROPAL_VALIDATION
from trackbench.errors import InputError, MissingDataError

VALIDATION_WORM = sorted(NEUROPAL_VALIDATION)[0]

HL_WORMS = (
    ("1", "HL", "0", False, ["RIH", "AVAL"]),
    ("2", "HL", "1", False, ["RIH", "AVAL", "AVAR"]),
    ("3", "HL", "4", False, ["RIH"]),
)
OTHER_WORMS = (
    ("few", "EY", "1", False, ["RIH"]),
    ("many", "EY", "2", True, ["RIH", "AVAL"]),
    ("np", "NP", "original", False, ["RIH", "AVAL", "AVAR"]),
    (VALIDATION_WORM, "EY", "3", False, ["RIH"]),
    ("skipped", "EY", "0", True, ["RIH"]),
    ("scored", "EY", "4", False, ["AVAR", "RIH"]),
)
HANDEDNESS = {worm[0]: -1 if worm[1] == "EY" else 1 for worm in (*HL_WORMS, *OTHER_WORMS)}


@pytest.fixture
def root(wormnd):
    return wormnd(*HL_WORMS, *OTHER_WORMS, handedness=HANDEDNESS)


def cases(root, protocol, split="test", **config):
    return list(NeuroPAL(NeuroPALConfig(**config)).cases(protocol, split, root))


def test_chaudhary_is_every_ordered_pair_of_the_hl_worms(root):
    found = cases(root, "chaudhary")
    pairs = [(case.templates[0].id, case.test.id) for case in found]
    assert pairs == [(a, b) for a in "123" for b in "123" if a != b]
    assert len({case.id for case in found}) == 6
    assert {case.group for case in found} == {"HL"}
    assert [case.animal for case in found[:2]] == ["2", "3"]
    assert found[0].truth.names == ("RIH", "AVAL", "AVAR")
    assert found[0].templates[0].names == ("RIH", "AVAL")


def test_chaudhary_gives_positions_and_nothing_else(root):
    for case in cases(root, "chaudhary"):
        for cloud in (case.test, *case.templates):
            assert cloud.color is None
            assert cloud.mirrored is None
        assert case.test.names is None
        assert not case.oracle


def test_chaudhary_8_takes_the_worm_with_most_names_as_template(root):
    assert [case.id for case in cases(root, "chaudhary-8")] == ["2__1", "2__3"]


def test_cases_of_one_template_come_together_and_share_it(root):
    found = cases(root, "chaudhary")
    assert found[0].templates is found[1].templates
    assert len({id(case.templates) for case in found}) == 3


def test_wormnd_scores_test_worms_on_train_worms_own_lab_first(root):
    found = cases(root, "wormnd")
    assert [case.id for case in found] == ["scored", "1", "2", "3"]
    assert [worm.id for worm in found[0].templates] == ["many", "few", "np"]
    assert [worm.id for worm in found[1].templates] == ["np", "many", "few"]
    assert found[1].templates is found[3].templates
    assert [case.group for case in found] == ["EY", "HL", "HL", "HL"]
    assert found[0].test.mirrored is True
    assert found[1].test.mirrored is False
    assert found[0].test.color is not None
    assert found[0].truth.names == ("AVAR", "RIH")


def test_no_test_or_validation_worm_is_ever_a_template(root):
    for split in ("train", "validation", "test"):
        for case in cases(root, "wormnd", split):
            used = {worm.id for worm in case.templates}
            assert used <= {"few", "many", "np"}
            assert case.test.id not in used


def test_the_other_splits_of_wormnd(root):
    assert [case.id for case in cases(root, "wormnd", "validation")] == [VALIDATION_WORM]
    found = cases(root, "wormnd", "train")
    assert [case.id for case in found] == ["few", "np"]
    assert [worm.id for worm in found[0].templates] == ["many", "np"]


def test_five_folds_take_all_worms_of_the_other_folds(root):
    found = cases(root, "wormnd-5fold", "all")
    assert {case.id for case in found} == {"1", "2", "3", "few", "scored", VALIDATION_WORM}
    folds = {worm[0]: worm[2] for worm in (*HL_WORMS, *OTHER_WORMS)}
    for case in found:
        used = {worm.id for worm in case.templates}
        assert used == {name for name, fold in folds.items() if fold != folds[case.id]}
    by_id = {case.id: case for case in found}
    assert [worm.id for worm in by_id["1"].templates][:2] == ["2", "3"]


def test_blind_hides_the_tests_handedness_only(root):
    for case in cases(root, "wormnd-blind"):
        assert case.test.mirrored is None
        assert case.test.color is not None
        assert {worm.mirrored for worm in case.templates} == {True, False}


def test_position_hides_colors(root):
    for case in cases(root, "wormnd-position"):
        assert case.test.mirrored is not None
        assert all(cloud.color is None for cloud in (case.test, *case.templates))


@pytest.mark.parametrize("protocol", ["chaudhary", "wormnd"])
def test_an_oracle_is_marked(root, protocol):
    plain = cases(root, protocol)
    oracle = cases(root, protocol, oracle=True)
    assert not any(case.oracle for case in plain)
    assert all(case.oracle for case in oracle)
    assert [case.id for case in oracle] == [case.id for case in plain]
    np.testing.assert_allclose(oracle[0].test.zyx_um[0], [7, 6, 5])
    np.testing.assert_allclose(plain[0].test.zyx_um[0], [20, 10, 0])


def test_limit_spreads_evenly(root):
    assert [case.id for case in cases(root, "chaudhary", limit=2)] == ["1__2", "3__2"]
    assert [case.id for case in cases(root, "wormnd", limit=2)] == ["scored", "3"]


def test_a_mended_name_is_noted_in_its_cases(wormnd):
    worms = [("1", "HL", "0", False, ["RIGR", "RIH", "RIGR"]), ("2", "HL", "1", False, ["RIH"])]
    root = wormnd(*worms, handedness={"1": 1, "2": 1})
    mended = "1: RIGR stands more than once: the later neuron counts as unlabeled"
    found = cases(root, "chaudhary")
    assert [case.notes for case in found] == [(mended,), (mended,)]
    assert found[1].truth.names == ("RIGR", "RIH", "")


def test_given_handedness_needs_its_file(wormnd):
    root = wormnd(*HL_WORMS, *OTHER_WORMS)
    for protocol in ("wormnd", "wormnd-position"):
        with pytest.raises(MissingDataError, match=r"handedness\.csv.*wormnd-blind"):
            cases(root, protocol)
    assert len(cases(root, "wormnd-blind")) == 4
    assert len(cases(root, "wormnd", oracle=True)) == 4


def test_missing_data_is_one_line_with_the_mend(tmp_path, wormnd):
    with pytest.raises(MissingDataError, match="trackbench data fetch wormnd"):
        cases(tmp_path / "absent", "chaudhary")
    with pytest.raises(MissingDataError, match="--data-dir"):
        cases(None, "chaudhary")
    with pytest.raises(MissingDataError, match="no case of chaudhary, split test"):
        cases(wormnd(*OTHER_WORMS), "chaudhary")


def test_the_example_pair(tmp_path):
    folder = tmp_path / "fdnc_example"
    folder.mkdir()
    worm = {"pts": np.eye(3), "fluo": np.ones((3, 4)), "name": ["RIH", "", "AVAL"]}
    for name in ("template.data", "test.data"):
        (folder / name).write_bytes(pickle.dumps(worm, protocol=3))
    (case,) = cases(tmp_path, "fdnc-example")
    assert case.truth.names == ("RIH", "", "AVAL")
    assert case.test.color.shape == (3, 4)
    with pytest.raises(InputError, match="no oracle"):
        cases(tmp_path, "fdnc-example", oracle=True)


def test_every_protocol_says_how_many_cases_there_are_and_where_they_lie():
    dataset = NeuroPAL()
    for protocol in dataset.protocols():
        for split in protocol.splits:
            assert dataset.expected_cases(protocol.name, split) > 0
        assert dataset.source(protocol.name) in {"wormnd", "fdnc_example"}
    assert dataset.expected_cases("chaudhary", "nonsense") is None


@pytest.mark.real_data
@pytest.mark.parametrize(
    ("protocol", "split"),
    [(protocol.name, split) for protocol in NeuroPAL().protocols() for split in protocol.splits],
)
def test_real_worms_fit_the_expected_counts(real_data, protocol, split):
    found = cases(real_data, protocol, split)
    expected = NeuroPAL().expected_cases(protocol, split)
    assert 0 < len(found) <= expected
    if split in {"train", "validation"}:
        assert len(found) == expected
    assert len({case.id for case in found}) == len(found)


@pytest.mark.real_data
def test_the_real_cross_lab_test_and_its_names(real_data):
    found = cases(real_data, "chaudhary")
    worms = {case.animal: case for case in found}
    assert len(found) == len(worms) * (len(worms) - 1)
    labels = [sum(name != "" for name in case.truth.names) for case in worms.values()]
    assert np.mean(labels) == pytest.approx(64.3, abs=2)
    shared = [len({*case.truth.names} & {*case.templates[0].names} - {""}) for case in found]
    assert np.mean(shared) == pytest.approx(50.5, abs=2)


@pytest.mark.real_data
def test_the_real_wormnd_labs(real_data):
    found = cases(real_data, "wormnd")
    count = Counter(case.group for case in found)
    assert set(count) == {"EY", "HL", "KK", "SF", "SK1", "SK2"}
    assert all(len(case.templates) == 55 for case in found)
    assert {worm.id for worm in found[0].templates} & set(NEUROPAL_VALIDATION) == set()


@pytest.mark.real_data
def test_the_real_example_pair(real_data):
    (case,) = cases(real_data, "fdnc-example")
    template = case.templates[0]
    assert (len(template), len(case.test)) == (127, 143)
    named = {*template.names} - {""}, {*case.truth.names} - {""}
    assert (len(named[0]), len(named[1]), len(named[0] & named[1])) == (70, 52, 48)
