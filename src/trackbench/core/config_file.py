"""Reads the TOML file that says what a training run is."""

from __future__ import annotations

import difflib
import tomllib
from typing import TYPE_CHECKING, TypeVar

from pydantic import BaseModel, ValidationError

from trackbench.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["read_config_file"]

ModelT = TypeVar("ModelT", bound=BaseModel)


def read_config_file(path: Path, model: type[ModelT]) -> ModelT:
    """Read a config.

    Parameters
    ----------
    path : Path
        TOML in UTF-8.
    model : type
        The pydantic model that it is to become.

    Raises
    ------
    UsageError
        A file that can't be read or isn't TOML, a field that isn't known (the nearest one is
        suggested), that is missing, or that has a wrong value.
    """
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(
            f"{path}: {error.strerror}", "give the path of a training config"
        ) from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UsageError(f"{path} is no TOML ({error})", "mend the training config") from error
    try:
        return model.model_validate(values)
    except ValidationError as error:
        problem, mend = _explained(model, error)
        raise UsageError(f"{path}: {problem}", mend) from error


def _explained(model: type[BaseModel], error: ValidationError) -> tuple[str, str]:
    first = error.errors()[0]
    field = ".".join(map(str, first["loc"])) or "the whole"
    if first["type"] == "extra_forbidden":
        near = difflib.get_close_matches(str(first["loc"][-1]), _field_names(model), n=1)
        return f"no field {field}", f"did you mean {near[0]!r}?" if near else "remove it"
    if first["type"] == "missing":
        return f"{field} is missing", "add it"
    return f"{field} = {first['input']!r} won't do ({first['msg'].lower()})", "give another value"


def _field_names(model: type[BaseModel]) -> list[str]:
    """List the fields of a model and of all its sections."""
    schema = model.model_json_schema()
    sections = [schema, *schema.get("$defs", {}).values()]
    return [name for section in sections for name in section.get("properties", {})]
