"""``trackbench report`` as a user types it."""

import json

import pytest
from tests.cli.running import trackbench

RUN = (
    *("run", "--dataset", "trial", "--matchers", "counted,nearest", "--jobs", "0"),
    *("--no-timing", "--out"),
)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    folder = tmp_path_factory.mktemp("reported") / "store"
    done = trackbench(*RUN, folder)
    assert done.returncode == 0, done.stderr_text
    return folder


def test_the_page_and_the_tables_are_named(store, tmp_path):
    done = trackbench(
        *("report", store, "-o", tmp_path / "r.html", "--tables", tmp_path / "tables")
    )
    assert done.returncode == 0, done.stderr_text
    written = [line.removeprefix("wrote ") for line in done.stdout_text.splitlines()]
    names = ["per_neuron.csv", "per_ganglion.csv", "per_lab.csv", "paired.csv"]
    assert written == [str(tmp_path / "r.html"), *(str(tmp_path / "tables" / n) for n in names)]
    assert "counted &gt; transfer" in (tmp_path / "r.html").read_text()


def test_without_wormnd_the_page_says_how_to_get_ganglia(store, tmp_path):
    (tmp_path / "data").mkdir()
    target = tmp_path / "r.html"
    done = trackbench("report", store, "-o", target, TRACKBENCH_DATA=str(tmp_path / "data"))
    assert done.returncode == 0, done.stderr_text
    assert "no tables by ganglion" in target.read_text()


def test_with_wormnd_neurons_have_their_ganglion(store, tmp_path):
    (tmp_path / "wormnd").mkdir()
    table = "neuron_class,ganglion\n" + "".join(f"N{i},Some Ganglion\n" for i in range(10))
    (tmp_path / "wormnd" / "neuron_ganglia.csv").write_text(table)
    target = tmp_path / "r.html"
    done = trackbench("report", store, "-o", target, "--data-dir", tmp_path)
    assert done.returncode == 0, done.stderr_text
    assert "Some Ganglion" in target.read_text()
    assert "no tables by ganglion" not in target.read_text()


def test_a_data_folder_that_is_not_there(store, tmp_path):
    done = trackbench("report", store, "--data-dir", tmp_path / "nowhere")
    assert done.returncode == 2
    assert "no such folder" in done.stderr_text
    assert "Traceback" not in done.stderr_text


def test_another_history(store, tmp_path):
    names = ["truth", "nearest", "transfer", "trial", "trial-pairs", "test"]
    result = {"names": names, "metric": "m_pair", "mean": 0.9, "n_cases": 6}
    result |= {"seconds_per_volume": None, "speed": None}
    lines = [
        {"schema": 1, "time": f"2026-01-0{i}T00:00:00+00:00", "trackbench": "0", "revision": "r"}
        | {"results": [result]}
        for i in (1, 2, 3)
    ]
    history = tmp_path / "history.jsonl"
    history.write_text("".join(json.dumps(line) + "\n" for line in lines))
    target = tmp_path / "r.html"
    done = trackbench("report", store, "-o", target, "--history", history)
    assert done.returncode == 0, done.stderr_text
    assert "Accuracy through the runs" in target.read_text()
    history.write_text("no history\n")
    wrong = trackbench("report", store, "-o", target, "--history", history)
    assert wrong.returncode == 2
    assert "is no history" in wrong.stderr_text


def test_a_folder_that_is_no_store(tmp_path):
    done = trackbench("report", tmp_path)
    assert done.returncode == 2
    assert "is no result store" in done.stderr_text
    assert not (tmp_path / "report.html").exists()
