"""Bad files through the command line: one line with file and mend, exit code 2, nothing written."""

import pickle
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from trackbench.cli import main

WORMS = (("1", "HL", "0", False, ["RIH", "AVAL"]), ("2", "HL", "1", False, ["RIH", "AVAL"]))


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    """Run the command line's entry point on the data folder `tmp_path`."""

    def start(dataset, protocol):
        options = (
            f"--dataset {dataset} --protocol {protocol} --matchers nearest --jobs 0 --no-timing"
        )
        places = ["--data-dir", str(tmp_path), "--out", str(tmp_path / "out")]
        monkeypatch.setattr(sys, "argv", ["trackbench", "run", *options.split(), *places])
        with pytest.raises(SystemExit) as ended:
            main()
        printed = capsys.readouterr()
        return SimpleNamespace(code=ended.value.code, out=printed.out, err=printed.err)

    return start


def assert_one_line(answer, tmp_path, file, complaint):
    assert answer.code == 2, answer.out + answer.err
    assert answer.err.count("\n") == 1
    assert file in answer.err
    assert complaint in answer.err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("spoil", "complaint"),
    [
        (lambda text: text.replace("real_Y", "height"), "no column real_Y"),
        (lambda text: text.replace("1,1,11,21", "1,1,NaN,21"), "line 3, column real_Y: 'NaN'"),
        (lambda text: "", "the file is empty"),
        (lambda text: text.splitlines()[0], "no rows below the header"),
    ],
    ids=["columns", "coordinates", "empty", "no rows"],
)
def test_bad_tables(run, wormnd, tmp_path, spoil, complaint):
    wormnd(*WORMS)
    path = tmp_path / "wormnd" / "aligned_heads" / "aligned_full" / "2.csv"
    path.write_text(spoil(path.read_text(encoding="utf-8")), encoding="utf-8")
    assert_one_line(run("neuropal", "chaudhary"), tmp_path, str(path), complaint)


def test_a_pickle_with_a_foreign_class_is_not_run(run, tmp_path):
    class Canary:
        def __reduce__(self):
            return (open, (str(tmp_path / "canary"), "w"))

    folder = tmp_path / "fdnc_example"
    folder.mkdir()
    worm = {"pts": np.eye(3), "name": ["a", "b", "c"]}
    (folder / "template.data").write_bytes(pickle.dumps(worm, protocol=3))
    (folder / "test.data").write_bytes(pickle.dumps({**worm, "x": Canary()}, protocol=3))
    answer = run("neuropal", "fdnc-example")
    assert_one_line(answer, tmp_path, "test.data", "nothing in it was run")
    assert not (tmp_path / "canary").exists()


def test_a_truncated_array(run, fdnc_folder, tmp_path):
    fdnc_folder({663: [0, 1], 300: [0, 1]})
    path = tmp_path / "nguyen2017" / "test_tracking" / "real_jeff_all" / "real_300.npy"
    path.write_bytes(path.read_bytes()[:-1])
    assert_one_line(run("calcium", "nguyen2017"), tmp_path, str(path), "truncated")


def test_a_folder_that_is_not_there(run, tmp_path):
    answer = run("calcium", "targettrack")
    assert_one_line(answer, tmp_path, str(tmp_path), "it holds no folder 'targettrack'")


def test_a_name_that_stands_twice_in_a_published_table_is_told_and_scored(run, wormnd, tmp_path):
    wormnd(("1", "HL", "0", False, ["RIGR", "AVAL", "RIGR"]), WORMS[1])
    answer = run("neuropal", "chaudhary")
    assert answer.code == 0, answer.err
    assert "2 of 72" in answer.out
