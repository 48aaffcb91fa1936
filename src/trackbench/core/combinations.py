"""Sums of labelers that have a name of their own, such as `best`."""

from __future__ import annotations

import json
import tomllib
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from trackbench.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

__all__ = ["FILE", "named_combinations", "save_combination", "shown"]

FILE: Final = "combinations.toml"
"""In the package: a table a combination, its sum of labelers and what that was fitted on."""

HEADER: Final = """\
# Sums of labelers that have a name of their own. Each can be typed wherever a sum of labelers can
# be, as in `trackbench run --labelers best`. `trackbench fit-weights` finds the weights.

"""


@cache
def named_combinations() -> Mapping[str, str]:
    """Give the sum of labelers behind each name, as a user would type it."""
    text = files("trackbench").joinpath(FILE).read_text(encoding="utf-8")
    tables = tomllib.loads(text)
    return MappingProxyType({name: str(table["labelers"]) for name, table in tables.items()})


def shown(labelers: Sequence[object]) -> str:
    """Write a sum of labelers as a user would: by its name if it has one.

    Parameters
    ----------
    labelers : sequence
        Specs, or anything that is shown as it is typed.
    """
    text = "+".join(map(str, labelers))
    names = {labelers: name for name, labelers in named_combinations().items()}
    return names.get(text, text)


def save_combination(path: Path, name: str, labelers: str, fitted: str) -> None:
    """Write a combination into a TOML file, beside those that it holds already.

    Parameters
    ----------
    path : Path
    name : str
    labelers : str
        A sum as a user would type it.
    fitted : str
        What its weights were fitted on.

    Raises
    ------
    InputError
        A file that is no TOML.
    """
    try:
        held = tomllib.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: no TOML ({error})", "mend it or name another file") from error
    held[name] = {"labelers": labelers, "fitted": fitted}
    parts = [
        "\n".join(
            [f"[{key}]", *(f"{field} = {json.dumps(value)}" for field, value in table.items())]
        )
        for key, table in held.items()
    ]
    path.write_text(HEADER + "\n\n".join(parts) + "\n", encoding="utf-8")
