from pathlib import Path

import numpy as np
import pytest

from trackbench.datasets.readers.wormnd import (
    WormndEntry,
    read_handedness,
    read_wormnd_index,
    read_wormnd_worm,
)
from trackbench.errors import InputError, MissingDataError


def entry(path, mirrored=False):
    return WormndEntry("w", "EY", "1", scored=True, mirrored=mirrored, path=path)


def test_axes_colors_and_names(tmp_path, write_worm):
    path = write_worm(tmp_path / "w.csv", ["AVAL", "", "RIH"])
    cloud = read_wormnd_worm(entry(path, mirrored=True))
    np.testing.assert_allclose(cloud.zyx_um[2], [22, 12, 2])
    np.testing.assert_allclose(cloud.color[2], [0.2, 0.4, 0.6], rtol=1e-6)
    assert cloud.names == ("AVAL", "", "RIH")
    assert cloud.mirrored is True
    assert cloud.notes == ()


def test_aligned_positions_are_read_only_on_request(tmp_path, write_worm):
    path = write_worm(tmp_path / "w.csv", ["AVAL"])
    cloud = read_wormnd_worm(entry(path, mirrored=True), aligned=True)
    np.testing.assert_allclose(cloud.zyx_um[0], [7, 6, 5])
    assert cloud.mirrored is False


def test_the_later_of_two_equal_names_is_unlabeled_and_noted(tmp_path, write_worm):
    cloud = read_wormnd_worm(entry(write_worm(tmp_path / "w.csv", ["RIGR", "RIH", "RIGR"])))
    assert cloud.names == ("RIGR", "RIH", "")
    assert cloud.notes == ("RIGR stands more than once: the later neuron counts as unlabeled",)


def test_unknown_handedness_is_noted(tmp_path, write_worm):
    cloud = read_wormnd_worm(entry(write_worm(tmp_path / "w.csv", ["RIH"]), mirrored=None))
    assert cloud.mirrored is None
    assert "handedness.csv" in cloud.notes[0]


def test_a_bad_table_names_its_file(tmp_path, write_worm):
    path = write_worm(tmp_path / "w.csv", ["AVAL", "RIH"])
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("real_Z", "depth"), encoding="utf-8")
    with pytest.raises(InputError, match=r"w\.csv: no column real_Z"):
        read_wormnd_worm(entry(path))
    path.write_text(text.replace("\n1,1,11,21", "\n1,1,nan,21"), encoding="utf-8")
    with pytest.raises(InputError, match="line 3, column real_Y"):
        read_wormnd_worm(entry(path))


def test_the_index_lists_what_is_there(wormnd):
    root = wormnd(
        ("b", "EY", "1", False, ["RIH"]),
        ("a", "HL", "original", True, ["RIH"]),
        ("c", "SF", "4", False, ["RIH"]),
        handedness={"a": -1, "b": 1},
    )
    (root / "wormnd" / "aligned_heads" / "aligned_full" / "c.csv").unlink()
    found = read_wormnd_index(root / "wormnd")
    assert [(worm.id, worm.lab, worm.group) for worm in found] == [
        ("a", "HL", "original"),
        ("b", "EY", "1"),
    ]
    assert [worm.scored for worm in found] == [False, True]
    assert [worm.mirrored for worm in found] == [True, False]


def test_handedness_is_a_sign(wormnd):
    root = wormnd(("a", "EY", "1", False, ["RIH"]), handedness={"a": 2})
    with pytest.raises(InputError, match="handedness of a is '2'"):
        read_handedness(root / "wormnd")


def test_without_a_handedness_file_nothing_is_known(wormnd):
    root = wormnd(("a", "EY", "1", False, ["RIH"]))
    assert read_handedness(root / "wormnd") == {}
    assert read_wormnd_index(root / "wormnd")[0].mirrored is None


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [("False", "maybe", "ID_skip of a is 'maybe'"), ("0,a,", "0,../a,", "is not a file name")],
)
def test_a_bad_index_is_one_line(wormnd, old, new, complaint):
    root = wormnd(("a", "EY", "1", False, ["RIH"]))
    path = root / "wormnd" / "group_assigns.csv"
    path.write_text(path.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")
    with pytest.raises(InputError, match=complaint):
        read_wormnd_index(root / "wormnd")


def test_a_missing_folder_has_its_mend():
    with pytest.raises(MissingDataError, match="trackbench data fetch wormnd"):
        read_wormnd_index(Path("nowhere"))


@pytest.mark.real_data
def test_the_published_worms(real_data):
    found = read_wormnd_index(real_data / "wormnd")
    assert len(found) == 97
    clouds = {worm.id: read_wormnd_worm(worm) for worm in found}
    assert all(cloud.mirrored is not None for cloud in clouds.values())
    assert sum(cloud.mirrored for cloud in clouds.values()) == 56
    sizes = [len(cloud) for cloud in clouds.values()]
    assert min(sizes) >= 46
    assert max(sizes) == 195
    noted = {name: cloud.notes for name, cloud in clouds.items() if cloud.notes}
    assert set(noted) == {
        "2022-06-14-07",
        "2022-06-28-07",
        "2022-07-15-12",
        "2023-01-05-01",
        "7",
        "9",
    }
    heads = [cloud for worm, cloud in zip(found, clouds.values(), strict=True) if worm.lab == "HL"]
    assert np.mean([len(cloud) for cloud in heads]) == pytest.approx(118.8, abs=3)


@pytest.mark.real_data
def test_the_aligned_frame_has_the_anatomys_handedness(real_data):
    """The bit of handedness.csv is the one by which real and aligned positions differ."""
    for worm in read_wormnd_index(real_data / "wormnd"):
        raw = read_wormnd_worm(worm).zyx_um
        aligned = read_wormnd_worm(worm, aligned=True).zyx_um
        design = np.column_stack([raw, np.ones(len(raw))])
        matrix = np.linalg.lstsq(design, aligned, rcond=None)[0][:3]
        assert (np.linalg.det(matrix) < 0) == worm.mirrored
