"""Makes a plugin's config from what was typed; a wrong value names its field and its range."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any

import annotated_types
from pydantic import ValidationError

from trackbench.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic.fields import FieldInfo

    from trackbench.core.plugin import Config

__all__ = ["allowed", "describe_fields", "make_config"]

_BOUNDS: tuple[tuple[type, str, str], ...] = (
    (annotated_types.Gt, "gt", ">"),
    (annotated_types.Ge, "ge", ">="),
    (annotated_types.Lt, "lt", "<"),
    (annotated_types.Le, "le", "<="),
)


def allowed(field: FieldInfo) -> str:
    """Say in words what a config field may be: its type, bounds and default."""
    kind = getattr(field.annotation, "__name__", None) if field.annotation else None
    if kind is None or "[" in str(field.annotation) or kind in {"Literal", "Optional", "Union"}:
        kind = str(field.annotation).replace("typing.", "")
    bounds = [
        f"{sign} {getattr(item, attribute)}"
        for item in field.metadata
        for cls, attribute, sign in _BOUNDS
        if isinstance(item, cls)
    ]
    default = "" if field.is_required() else f" (default {field.default})"
    return " ".join([kind, *bounds]) + default


def describe_fields(cls: type[Config]) -> list[tuple[str, str, str]]:
    """List a config's fields as (name, allowed values, description)."""
    return [
        (name, allowed(field), field.description or "") for name, field in cls.model_fields.items()
    ]


def make_config(who: str, cls: type[Config], parameters: Mapping[str, Any]) -> Config:
    """Check `parameters` and make a config.

    Raises
    ------
    UsageError
        An unknown field (the nearest one is suggested) or a value out of range (which is told).
    """
    unknown = [key for key in parameters if key not in cls.model_fields]
    if unknown:
        near = difflib.get_close_matches(unknown[0], cls.model_fields, n=1)
        fields = ", ".join(cls.model_fields) or "none"
        mend = f"did you mean {near[0]!r}?" if near else f"its fields: {fields}"
        raise UsageError(f"{who} has no parameter {unknown[0]!r}", mend)
    values = {key: None if value == "None" else value for key, value in parameters.items()}
    try:
        return cls.model_validate(values)
    except ValidationError as error:
        raise UsageError(*_explain(who, cls, error)) from None


def _explain(who: str, cls: type[Config], error: ValidationError) -> tuple[str, str]:
    first = error.errors()[0]
    if not first["loc"]:
        return f"{who}: {first['msg']}", "see trackbench list --verbose"
    name = str(first["loc"][0])
    problem = f"{who}: {name}={first['input']!s} won't do ({first['msg'].lower()})"
    return problem, f"{name} is {allowed(cls.model_fields[name])}"
