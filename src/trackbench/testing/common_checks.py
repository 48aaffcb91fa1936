"""Checks for every kind of plugin: documentation, config, import, being sent."""

from __future__ import annotations

import importlib.metadata
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any, Final

from trackbench.core.hookspecs import ENTRY_POINT_GROUP
from trackbench.core.plugin import Backend
from trackbench.testing.process_checks import check_other_process, importable

if TYPE_CHECKING:
    from collections.abc import Callable

    from trackbench.core.plugin import Plugin

__all__ = ["COMMON"]

HEAVY: Final = ("torch", "pandas", "matplotlib", "plotly", "tensorflow", "jax")


def check_documented(cls: type[Plugin[Any]]) -> None:
    """The class says in one line what it does and each parameter is described."""
    assert (cls.__doc__ or "").strip(), f"{cls.__name__} has no docstring"
    bare = [name for name, field in cls.Config.model_fields.items() if not field.description]
    assert not bare, f"parameters without a description: {', '.join(bare)}"


def check_config(cls: type[Plugin[Any]]) -> None:
    """The default config is complete, frozen and survives being written and read."""
    config = cls.Config()
    assert cls.Config.model_validate_json(config.model_dump_json()) == config
    assert cls.Config.model_config.get("frozen"), "Config must stay frozen"
    assert cls.Config.model_config.get("extra") == "forbid", "Config must forbid unknown fields"


def check_backend(cls: type[Plugin[Any]]) -> None:
    """What computes it is a `Backend`, the same whenever asked for: results are kept by it."""
    backend = cls().backend
    assert isinstance(backend, Backend), f"backend is {backend!r}, not a Backend(name, why)"
    assert backend == cls().backend, "backend changes from one question to the next"


def check_import_light(cls: type[Plugin[Any]]) -> None:
    """Importing the plugin's module loads nothing heavy: import torch where it is used."""
    module = _entry_module(cls) or cls.__module__
    if not importable(module):
        return
    code = (
        f"import sys, importlib; importlib.import_module({module!r});"
        f"print(*[m for m in {HEAVY!r} if m in sys.modules])"
    )
    found = _python(code).split()
    assert not found, f"importing {module} loads {', '.join(found)}"


def _entry_module(cls: type[Plugin[Any]]) -> str | None:
    """Give the module that an entry point names and this class comes from."""
    points = importlib.metadata.entry_points(group=ENTRY_POINT_GROUP)
    found = [p.value for p in points if cls.__module__.startswith(p.value.split(":")[0])]
    return found[0].split(":")[0] if found else None


def _python(code: str) -> str:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    answer = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env=environment,
        timeout=120,
        check=False,
    )
    assert answer.returncode == 0, answer.stderr.strip().split("\n")[-1]
    return answer.stdout


COMMON: Final[tuple[Callable[[type[Plugin[Any]]], None], ...]] = (
    check_documented,
    check_config,
    check_backend,
    check_import_light,
    check_other_process,
)
"""In the order in which they run."""
