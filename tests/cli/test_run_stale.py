"""A result is used again only as long as the plugin that made it stays the same."""

import shutil

import pytest
from tests.cli.running import headline, summary, trackbench
from tests.conftest import TRIALS


@pytest.fixture
def installed(tmp_path):
    """Copy the trial distribution to a place where it can be changed."""
    shutil.copytree(TRIALS, tmp_path / "site")
    return tmp_path / "site"


def run(folder, site):
    log = folder / "calls"
    log.unlink(missing_ok=True)
    done = trackbench(
        *("run", "--dataset", "trial", "--matchers", "counted", "--no-timing", "--jobs", 0),
        *("--out", folder / "store", "--summary", folder / "summary.json"),
        PYTHONPATH=str(site),
        TRIAL_LOG=str(log),
    )
    assert done.returncode == 0, done.stderr_text
    calls = log.read_text().count("match") if log.exists() else 0
    return calls, headline(summary(folder / "summary.json"))["counted", "transfer"]["mean"]


def test_changed_source_is_run_again_and_unchanged_is_not(tmp_path, installed):
    assert run(tmp_path, installed)[0] == 6
    assert run(tmp_path, installed)[0] == 0
    source = installed / "trackbench_trials" / "matchers.py"
    text = source.read_text()
    reverse = "scores[:, :-1] = scores[:, -2::-1]"
    source.write_text(
        text.replace(
            "return Match.from_scores(scores, template.id",
            f"{reverse}\n    return Match.from_scores(scores, template.id",
        )
    )
    calls, mean = run(tmp_path, installed)
    assert calls == 6
    assert mean < 0.5
    source.write_text(text)
    calls, mean = run(tmp_path, installed)
    assert calls == 0, "the first results are still there"
    assert mean > 0.9


def test_another_version_is_run_again(tmp_path, installed):
    run(tmp_path, installed)
    metadata = installed / "trackbench_trials-1.0.dist-info" / "METADATA"
    metadata.write_text(metadata.read_text().replace("1.0", "1.1"))
    assert run(tmp_path, installed)[0] == 6


def test_changed_weights_beside_the_source_are_run_again(tmp_path, installed):
    run(tmp_path, installed)
    (installed / "trackbench_trials" / "weights.bin").write_bytes(b"\x01")
    assert run(tmp_path, installed)[0] == 6


def test_report_of_a_store(tmp_path, installed):
    run(tmp_path, installed)
    done = trackbench("report", tmp_path / "store")
    assert done.returncode == 0, done.stderr_text
    assert "trackbench report" in (tmp_path / "store" / "report.html").read_text()
    wrong = trackbench("report", tmp_path / "store", "-o", tmp_path / "no" / "r.html")
    assert wrong.returncode == 2
    assert "make the folder" in wrong.stderr_text
