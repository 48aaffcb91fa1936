"""Reads a run's options from a TOML file, or from a profile: one that comes with trackbench.

::

    # my.toml
    matchers = ["cpd[beta=15|25]", "nearest"]
    out = "results"
    timing-budget = 4

    [[part]]
    dataset = "semi-synthetic[limit=50]"

    [[part]]
    dataset = "neuropal"
    protocol = "wormnd"
    labelers = "best"

    [gates]
    seconds = 1.25

A key is a long option of ``trackbench run`` without its dashes. A list stands for a
comma-separated text; paths are meant from the folder of the file. Each ``[[part]]`` is a product of
its own; what it doesn't say is taken from the top level.
"""

from __future__ import annotations

import difflib
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from trackbench.errors import InputError, UsageError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

__all__ = ["PART_KEYS", "PROFILES", "RunFile", "profile_path", "profiles", "read_run_file"]

PROFILES: Final = Path(__file__).parent / "profiles"
PART_KEYS: Final = ("dataset", "protocol", "split", "segmenters", "matchers", "labelers")
"""What a part may say: on what, and with what."""

PART: Final = "part"
GATES: Final = "gates"
Scalar = str | int | float | bool


@dataclass(frozen=True)
class RunFile:
    """What a file says.

    Parameters
    ----------
    path : Path
    values : mapping
        By key; lists joined by commas.
    parts : tuple of mappings
        Values of `PART_KEYS`, a mapping a part.
    has_gates : bool
        Whether it has a table of gates, see `compare.gates`.
    """

    path: Path
    values: Mapping[str, Scalar]
    parts: tuple[Mapping[str, Scalar], ...]
    has_gates: bool


def profiles() -> dict[str, str]:
    """Give the names of the profiles that come with trackbench, and the first line of each."""
    found = sorted(PROFILES.glob("*.toml"))
    return {path.stem: path.read_text().splitlines()[0].removeprefix("# ") for path in found}


def profile_path(name: str) -> Path:
    """Give the file of a profile.

    Raises
    ------
    UsageError
        There is none of that name.
    """
    known = profiles()
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1)
        mend = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(known)}"
        raise UsageError(f"no profile is named {name!r}", mend)
    return PROFILES / f"{name}.toml"


def read_run_file(path: Path, known: Collection[str]) -> RunFile:
    """Read a file of options.

    Parameters
    ----------
    path : Path
    known : collection of str
        Keys that may stand at the top level.

    Raises
    ------
    InputError
        A file that isn't there or isn't TOML, an unknown key, a value that is no text, number,
        truth value or list of texts.
    """
    document = _document(path)
    parts = document.pop(PART, [])
    gates = document.pop(GATES, None)
    if not isinstance(parts, list) or not all(isinstance(part, dict) for part in parts):
        raise InputError(f"{path}: part is no table", "write [[part]] above its keys")
    return RunFile(
        path,
        _checked(path, document, known, ""),
        tuple(_checked(path, part, PART_KEYS, "part: ") for part in parts),
        gates is not None,
    )


def _document(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path} is not there", "give a TOML file with options of run") from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InputError(
            f"{path} can't be read ({error})", 'write TOML: matchers = ["cpd", "nearest"]'
        ) from None


def _checked(
    path: Path, table: Mapping[str, Any], known: Collection[str], where: str
) -> dict[str, Scalar]:
    values = {}
    for typed, value in table.items():
        key = typed.replace("_", "-")
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1)
            mend = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(known)}"
            raise InputError(f"{path}: {where}{typed}: no such key", mend)
        values[key] = _plain(path, f"{where}{typed}", value)
    return values


def _plain(path: Path, where: str, value: object) -> Scalar:
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return ",".join(value)
    if isinstance(value, Scalar):
        return value
    raise InputError(
        f"{path}: {where}: {value!r} can't be used", "give a text, a number or a list of texts"
    )
