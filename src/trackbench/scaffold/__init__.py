"""Writes a package with one working plugin, for authors to start from."""

from __future__ import annotations

import re
from importlib.resources import files
from typing import TYPE_CHECKING, Final

from trackbench.core.plugin import API_VERSION
from trackbench.errors import InputError, UsageError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["write_plugin"]

_NAME: Final = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")


def write_plugin(kind: str, name: str, into: Path) -> Path:
    """Write ``trackbench-<name>``: pyproject.toml, README.md and one module.

    Parameters
    ----------
    kind : str
        "matcher", "labeler", "segmenter" or "dataset".
    name : str
        What users will type: lower-case letters, digits and hyphens.
    into : Path
        An existing folder.

    Returns
    -------
    Path
        The package's folder.

    Raises
    ------
    UsageError
        A name that no plugin may have.
    InputError
        The folder is there already: nothing is overwritten.
    """
    if not _NAME.fullmatch(name):
        raise UsageError(f"{name!r} can't name a plugin", "use lower-case letters, digits, hyphens")
    module = f"trackbench_{name.replace('-', '_')}"
    folder = into / f"trackbench-{name}"
    values = {
        "name": name,
        "kind": kind,
        "module": module,
        "cls": "".join(part.capitalize() for part in name.split("-")),
        "api": API_VERSION,
    }
    source = folder / "src" / module
    try:
        source.mkdir(parents=True)
    except FileExistsError:
        raise InputError(f"{folder} is there already", "choose another name or folder") from None
    except OSError as error:
        raise InputError(f"{folder}: {error.strerror}", "choose another folder") from error
    (folder / "pyproject.toml").write_text(_render("pyproject.toml", values))
    (folder / "README.md").write_text(_render("README.md", values))
    (source / "__init__.py").write_text(_render(f"{kind}.py", values))
    return folder


def _render(template: str, values: dict[str, object]) -> str:
    import jinja2

    text = (files("trackbench.scaffold") / "templates" / f"{template}.jinja").read_text()
    environment = jinja2.Environment(keep_trailing_newline=True, undefined=jinja2.StrictUndefined)  # noqa: S701  it writes Python, not HTML
    return environment.from_string(text).render(values)
