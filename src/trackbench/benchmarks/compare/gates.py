"""What counts as a regression: read from a TOML file, or the defaults."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING

from pydantic import Field, ValidationError

from trackbench.core.plugin import Config
from trackbench.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Gates", "read_gates"]


class Gates(Config):
    """Limits between base and head.

    A file holds them at its top level or in a table ``[gates]``::

        accuracy = -0.01
        seconds = 1.15
        alpha = 0.01
    """

    accuracy: float = Field(
        default=-0.01, ge=-1, le=0, description="change of the headline metric that is tolerated"
    )
    seconds: float = Field(
        default=1.15, gt=1, le=100, description="factor of s/volume that is tolerated"
    )
    alpha: float = Field(
        default=0.01, gt=0, lt=0.5, description="chance of a false alarm, over all accuracy gates"
    )


def read_gates(path: Path | None) -> Gates:
    """Read gates from a file; the defaults where there is none.

    Raises
    ------
    InputError
        A file that isn't there, isn't TOML or holds an unknown or impossible gate.
    """
    if path is None:
        return Gates()
    try:
        document = tomllib.loads(path.read_text())
    except FileNotFoundError:
        raise InputError(f"{path} is not there", "give a TOML file with gates") from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InputError(
            f"{path} can't be read ({error})", "write TOML: accuracy = -0.01"
        ) from None
    try:
        return Gates.model_validate(document.get("gates", document))
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(map(str, first["loc"]))
        known = ", ".join(Gates.model_fields)
        raise InputError(f"{path}: {field}: {first['msg']}", f"the gates are {known}") from None
