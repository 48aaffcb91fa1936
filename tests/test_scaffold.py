import importlib
import importlib.metadata
import os
import subprocess
import sys
import tomllib

import pytest
from tests.cli.running import headline, summary, trackbench

from trackbench.core.registry import Registry
from trackbench.errors import InputError, UsageError
from trackbench.scaffold import write_plugin
from trackbench.testing import run_checks


@pytest.mark.parametrize("kind", ["matcher", "labeler", "segmenter", "dataset"])
def test_a_new_plugin_conforms_as_it_is_written(kind, tmp_path, monkeypatch):
    name = f"brand-new-{kind}"
    folder = write_plugin(kind, name, tmp_path)
    project = tomllib.loads((folder / "pyproject.toml").read_text())
    ((entry, module),) = project["project"]["entry-points"]["trackbench"].items()
    monkeypatch.syspath_prepend(folder / "src")
    importlib.invalidate_caches()
    registry = Registry([importlib.metadata.EntryPoint(entry, module, "trackbench")])
    assert registry.failures == ()
    outcomes = list(run_checks(registry.find(kind, name)))
    assert [outcome for outcome in outcomes if not outcome.good] == []


def test_nothing_is_overwritten(tmp_path):
    write_plugin("matcher", "mine", tmp_path)
    with pytest.raises(InputError, match="is there already"):
        write_plugin("matcher", "mine", tmp_path)


@pytest.mark.parametrize("name", ["Mine", "1st", "a b", "a_b", "../up", "a-"])
def test_a_name_that_no_plugin_may_have(name, tmp_path):
    with pytest.raises(UsageError, match="can't name a plugin"):
        write_plugin("matcher", name, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_four_commands_from_nothing_to_a_table(tmp_path):
    """What the documentation promises, with the real pip, into a folder of its own."""
    site = tmp_path / "site"
    path = os.pathsep.join(filter(None, [str(site), os.environ.get("PYTHONPATH")]))
    written = trackbench("new-plugin", "matcher", "mine", cwd=tmp_path)
    assert written.returncode == 0, written.stderr_text
    pip = [sys.executable, "-m", "pip", "install", "--no-deps", "--no-build-isolation"]
    subprocess.run([*pip, "--target", site, tmp_path / "trackbench-mine"], check=True)
    checked = trackbench("check", "mine", PYTHONPATH=path)
    assert checked.returncode == 0, checked.stdout_text
    assert "conforms" in checked.stdout_text
    ran = trackbench(
        *("run", "--matchers", "mine,cpd", "--dataset", "semi-synthetic[limit=8]", "--no-timing"),
        *("--out", tmp_path / "store", "--summary", tmp_path / "summary.json", "--jobs", 1),
        PYTHONPATH=path,
    )
    assert ran.returncode == 0, ran.stderr_text
    rows = headline(summary(tmp_path / "summary.json"))
    assert {who: row["statuses"] for who, row in rows.items()} == {
        ("mine", "transfer"): {"ok": 8},
        ("cpd", "transfer"): {"ok": 8},
    }
