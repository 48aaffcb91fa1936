"""A plugin that dies costs its own rows: all others are there, and the exit code says so."""

import json

import pytest
from tests.cli.running import headline, summary, trackbench

BAD = "segfault,killed,hang,raising,nan,wrong-shape,hungry"
GOOD = "unwilling,leaky,counted,truth"
LIMIT_S = 10


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """Run everything that misbehaves beside what does not."""
    folder = tmp_path_factory.mktemp("isolation")
    done = trackbench(
        *("run", "--dataset", "trial", "--matchers", f"{BAD},{GOOD}", "--no-timing"),
        *("--out", folder / "store", "--summary", folder / "summary.json"),
        *("--jobs", 2, "--timeout", LIMIT_S),
    )
    return done, headline(summary(folder / "summary.json")), folder


@pytest.mark.parametrize(
    ("matcher", "statuses"),
    [
        ("segfault", {"crashed": 6}),
        ("killed", {"crashed": 6}),
        ("hang", {"timed out": 6}),
        ("raising", {"ok": 3, "failed": 3}),
        ("nan", {"failed": 6}),
        ("wrong-shape", {"failed": 6}),
        ("hungry", {"out of memory": 6}),
        ("unwilling", {"ok": 2, "skipped": 4}),
        ("leaky", {"ok": 5, "contaminated": 1}),
        ("counted", {"ok": 6}),
        ("truth", {"ok": 6}),
    ],
)
def test_every_case_has_a_row_with_its_status(finished, matcher, statuses):
    _, rows, _ = finished
    assert rows[matcher, "transfer"]["statuses"] == statuses


def test_exit_code_says_that_some_rows_failed(finished):
    done, _, _ = finished
    assert done.returncode == 3
    assert "39 of 66 rows failed" in done.stderr_text
    assert "Traceback" not in done.stderr_text


def test_rows_keep_reason_and_log(finished):
    pq = pytest.importorskip("pyarrow.parquet")
    _, _, folder = finished
    table = pq.read_table(folder / "store" / "rows.parquet").to_pylist()
    by_matcher = {row["matcher"]: row for row in table if row["status"] != "ok"}
    assert "SIGSEGV" in by_matcher["segfault"]["reason"]
    assert "about to crash" in by_matcher["segfault"]["log"]
    assert "match_pair" in by_matcher["segfault"]["log"]
    assert f"within {LIMIT_S} s" in by_matcher["hang"]["reason"]
    assert "match_pair" in by_matcher["hang"]["log"]
    assert by_matcher["raising"]["reason"] == "raising: ValueError: no idea about this one"
    assert "Traceback" in by_matcher["raising"]["log"]
    assert "NaN" in by_matcher["nan"]["reason"]
    assert by_matcher["unwilling"]["reason"] == "unwilling: only worm-0 will do"
    assert "memory runs out" in by_matcher["killed"]["reason"]


def test_contaminated_rows_are_out_of_the_mean(finished):
    _, rows, _ = finished
    leaky = rows["leaky", "transfer"]
    assert leaky["n_cases"] == 5
    assert leaky["headline"]
    assert not leaky["contaminated"]


def test_an_oracle_is_marked_and_no_headline(finished):
    done, rows, _ = finished
    assert rows["truth", "transfer"]["mean"] == 1.0
    assert rows["truth", "transfer"]["oracle"]
    assert not rows["truth", "transfer"]["headline"]
    assert "†" in done.stdout_text


def test_the_summary_has_what_programs_ask_for(finished):
    _, rows, folder = finished
    wanted = {
        *("segmenter", "matcher", "labeler", "dataset", "protocol", "split", "metric"),
        *("mean", "low", "high", "n_cases", "n_animals", "seconds_per_volume", "statuses"),
    }
    everything = summary(folder / "summary.json")
    assert all(wanted <= row.keys() for row in everything)
    metrics = {row["metric"] for row in everything if row["matcher"] == "counted"}
    assert {"m_pair", "m_test", "top3", "top5", "m_all", "nll", "ece"} <= metrics
    row = rows["counted", "transfer"]
    assert row["low"] <= row["mean"] <= row["high"]
    assert (row["n_cases"], row["n_animals"], row["n_expected"]) == (6, 3, 1000)
    assert json.loads((folder / "store" / "machine.json").read_text())["cores"]


def test_one_crashing_labeler_does_not_cost_the_others(tmp_path):
    done = trackbench(
        *("run", "--dataset", "trial", "--matchers", "counted", "--no-timing"),
        *("--labelers", "transfer,crashing-labeler,prior", "--out", tmp_path / "store"),
        *("--summary", tmp_path / "summary.json", "--jobs", 1),
        TRIAL_LOG=str(tmp_path / "calls"),
    )
    rows = headline(summary(tmp_path / "summary.json"))
    assert done.returncode == 3
    assert rows["counted", "crashing-labeler"]["statuses"] == {"crashed": 6}
    assert rows["counted", "transfer"]["statuses"] == {"ok": 6}
    assert rows["-", "prior"]["statuses"] == {"ok": 6}
    calls = (tmp_path / "calls").read_text().splitlines()
    assert sum(line.startswith("match") for line in calls) == 6


def test_a_crashing_segmenter_costs_its_own_rows(tmp_path):
    done = trackbench(
        *("run", "--dataset", "trial", "--protocol", "trial-images", "--no-timing"),
        *("--matchers", "counted,nearest", "--segmenters", "truth,crashing-segmenter"),
        *("--out", tmp_path / "store", "--summary", tmp_path / "summary.json", "--jobs", 1),
    )
    assert done.returncode == 3
    statuses = {
        (row["segmenter"], row["matcher"]): row["statuses"]
        for row in summary(tmp_path / "summary.json")
        if row["primary"]
    }
    assert statuses == {
        ("truth", "counted"): {"ok": 6},
        ("truth", "nearest"): {"ok": 6},
        ("crashing-segmenter", "counted"): {"crashed": 6},
        ("crashing-segmenter", "nearest"): {"crashed": 6},
    }


def test_a_memory_limit_costs_only_what_exceeds_it(tmp_path):
    done = trackbench(
        *("run", "--dataset", "trial", "--matchers", "hungry[gib=3],counted", "--no-timing"),
        *("--out", tmp_path / "store", "--summary", tmp_path / "summary.json"),
        *("--jobs", 1, "--memory", 2),
    )
    assert done.returncode == 3
    rows = headline(summary(tmp_path / "summary.json"))
    assert rows["hungry[gib=3]", "transfer"]["statuses"] == {"out of memory": 6}
    assert rows["counted", "transfer"]["statuses"] == {"ok": 6}
