"""The documentation can't rot: it is built with warnings as errors and covers every hook."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from trackbench.core import hookspecs

ROOT = Path(__file__).parents[1]
HOOKS = [name for name in dir(hookspecs) if name.startswith(hookspecs.PREFIX)]


@pytest.mark.parametrize("hook", HOOKS)
def test_every_hook_has_a_test(hook):
    files = [path for path in (ROOT / "tests").rglob("test_*.py") if path != Path(__file__)]
    texts = [path.read_text() for path in files]
    templates = [p.read_text() for p in (ROOT / "src/trackbench/scaffold").rglob("*.py.jinja")]
    assert any(f"def {hook}(" in text for text in texts + templates)


@pytest.mark.parametrize("hook", HOOKS)
def test_every_hook_is_documented(hook):
    assert f"trackbench.core.hookspecs.{hook}" in (ROOT / "docs/write-a-plugin.md").read_text()


@pytest.mark.parametrize("hook", HOOKS)
def test_the_plugin_in_a_hooks_docstring_works_as_it_stands(hook, tmp_path, monkeypatch):
    import importlib.metadata

    from trackbench.core.registry import Registry

    docstring = getattr(hookspecs, hook).__doc__
    lines = docstring.split("::\n", 1)[1].split("\n")
    source = "\n".join(line[8:] for line in lines)
    ast.parse(source)
    module = f"docstring_plugin_{hook}"
    (tmp_path / f"{module}.py").write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    registry = Registry([importlib.metadata.EntryPoint("documented", module, "trackbench")])
    assert registry.failures == ()
    kind = hook.removeprefix(hookspecs.PREFIX)
    assert len(getattr(registry, kind)()) == 1


def test_the_site_builds_without_a_warning(tmp_path):
    pytest.importorskip("sphinx", reason="install trackbench[docs] to build the site")
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "docs", str(tmp_path)]
    built = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    assert "trackbench run" in (tmp_path / "cli.html").read_text()
