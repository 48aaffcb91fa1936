import os
import subprocess
import sys

import pytest

from trackbench.datasets.registry import load_sources


@pytest.fixture
def trackbench(tmp_path):
    """Run the command line in a process that has no data and no way to the network."""

    def run(*arguments, **environment):
        plain = {key: text for key, text in os.environ.items() if key != "TRACKBENCH_DATA"}
        nowhere = dict.fromkeys(("http_proxy", "https_proxy"), "http://127.0.0.1:9")
        home = {"XDG_CACHE_HOME": str(tmp_path / "cache")}
        return subprocess.run(
            [sys.executable, "-c", "from trackbench.cli import main; main()", "data", *arguments],
            capture_output=True,
            text=True,
            env=plain | nowhere | home | environment,
            check=False,
        )

    return run


@pytest.fixture
def copied(tmp_path):
    """A data folder with two altered files of the right name, one of them of the right size."""
    files = {file.path: file for file in load_sources()["fdnc_example"].files}
    folder = tmp_path / "data" / "fdnc_example"
    folder.mkdir(parents=True)
    (folder / "template.data").write_bytes(b"\0" * files["template.data"].size)
    (folder / "test.data").write_bytes(b"short")
    return tmp_path / "data"


def test_list_says_what_is_there_and_how_to_get_the_rest(trackbench, copied):
    answer = trackbench("list", "--data-dir", str(copied))
    assert answer.returncode == 0
    lines = {line.split()[0]: line for line in answer.stdout.splitlines()}
    assert set(lines) == set(load_sources())
    assert f"2 of 2 in {copied / 'fdnc_example'}" in lines["fdnc_example"]
    assert "not here: trackbench data fetch wormnd" in lines["wormnd"]


def test_list_looks_into_the_environment_and_the_cache(trackbench, copied, tmp_path):
    assert "2 of 2" in trackbench("list", TRACKBENCH_DATA=str(copied)).stdout
    assert "not here: trackbench data fetch fdnc_example" in trackbench("list").stdout
    (tmp_path / "cache" / "trackbench" / "data").mkdir(parents=True)
    copied.joinpath("fdnc_example").rename(
        tmp_path / "cache" / "trackbench" / "data" / "fdnc_example"
    )
    assert "2 of 2" in trackbench("list").stdout


def test_list_verbose_cites(trackbench):
    answer = trackbench("list", "--verbose")
    assert "Park et al. 2023" in answer.stdout
    assert "licence: MIT" in answer.stdout


def test_verify_names_altered_files(trackbench, copied):
    answer = trackbench("verify", "fdnc_example", "wormnd", "--data-dir", str(copied))
    assert answer.returncode == 2
    assert "fdnc_example: 0 ok, 0 missing, 2 altered" in answer.stdout
    assert "wormnd: not here" in answer.stdout
    assert f"altered: {copied / 'fdnc_example' / 'test.data'}" in answer.stdout
    assert answer.stderr.count("\n") == 1
    assert "trackbench data fetch replaces them" in answer.stderr


@pytest.mark.real_data
def test_verify_and_fetch_offline_when_all_is_well(trackbench):
    folder = os.environ.get("TRACKBENCH_DATA")
    if folder is None:
        pytest.skip("TRACKBENCH_DATA names no folder of real worms")
    answer = trackbench("verify", "fdnc_example", TRACKBENCH_DATA=folder)
    assert (answer.returncode, answer.stderr) == (0, "")
    assert "fdnc_example: 2 ok, 0 missing, 0 altered" in answer.stdout
    answer = trackbench("fetch", "fdnc_example", "--offline", TRACKBENCH_DATA=folder)
    assert answer.returncode == 0
    assert "fdnc_example: 2 files in" in answer.stdout


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("fetch", "wormdn"), "did you mean 'wormnd'?"),
        (("verify", "wormdn"), "did you mean 'wormnd'?"),
        (("fetch", "wormnd", "--offline"), "119 of 119 files of wormnd are missing"),
        (("list", "--data-dir", "absent"), "absent: no such folder: mend --data-dir"),
        (("verify", "--data-dir", "absent"), "absent: no such folder: mend --data-dir"),
    ],
)
def test_a_mistake_is_one_line_and_writes_nothing(trackbench, tmp_path, arguments, complaint):
    answer = trackbench(*arguments)
    assert answer.returncode == 2
    assert complaint in answer.stderr
    assert answer.stderr.count("\n") == 1
    assert "Traceback" not in answer.stderr
    assert list(tmp_path.iterdir()) == []


def test_no_connection_is_one_line_and_writes_nothing(trackbench, tmp_path):
    answer = trackbench("fetch", "fdnc_example", "--data-dir", str(tmp_path / "data"))
    assert answer.returncode == 2
    assert "no connection" in answer.stderr
    assert answer.stderr.count("\n") == 1
    assert list(tmp_path.rglob("fdnc_example")) == []
