"""Reads what users type: ``cpd[beta=2,w=0.1]``, ``cpd[beta=1|2|3]``, ``vote+color``."""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass

from trackbench.core.combinations import named_combinations
from trackbench.errors import UsageError

__all__ = ["Spec", "parse_combination", "parse_specs", "split_outside_brackets"]

_SPEC = re.compile(r"(?P<name>[A-Za-z0-9][A-Za-z0-9_.-]*)(?:\[(?P<body>[^\[\]]*)\])?")
MAX_SWEEP = 1000


@dataclass(frozen=True, order=True)
class Spec:
    """A plugin's name and the parameters that differ from its defaults, as typed."""

    name: str
    parameters: tuple[tuple[str, str], ...] = ()

    def __str__(self) -> str:
        if not self.parameters:
            return self.name
        return f"{self.name}[{','.join(f'{key}={value}' for key, value in self.parameters)}]"


def split_outside_brackets(text: str, separator: str) -> list[str]:
    """Split `text` at `separator`, except inside ``[...]``; empty parts are dropped."""
    parts, depth, start = [], 0, 0
    for i, letter in enumerate(text):
        depth += (letter == "[") - (letter == "]")
        if letter == separator and depth == 0:
            parts.append(text[start:i])
            start = i + 1
    return [part.strip() for part in (*parts, text[start:]) if part.strip()]


def parse_specs(text: str) -> list[Spec]:
    """Read a comma-separated list; a sweep ``a=1|2`` becomes one spec a value.

    Raises
    ------
    UsageError
        Text that isn't ``name`` or ``name[field=value,...]``.
    """
    return [spec for part in split_outside_brackets(text, ",") for spec in _expand(part)]


def parse_combination(text: str) -> list[tuple[Spec, ...]]:
    """Read a comma-separated list of sums, ``vote+color[weight=0.5]``; sweeps multiply out.

    A term may be the name of a combination, such as ``best``: it stands for its sum.
    """
    known = named_combinations()
    combinations: list[tuple[Spec, ...]] = []
    for part in split_outside_brackets(text, ","):
        terms = "+".join(known.get(term, term) for term in split_outside_brackets(part, "+"))
        choices = [_expand(term) for term in split_outside_brackets(terms, "+")]
        combinations += itertools.product(*choices)
    return combinations


def _expand(text: str) -> list[Spec]:
    found = _SPEC.fullmatch(text)
    if found is None:
        raise UsageError(f"can't read {text!r}", "write name or name[field=value,field=a|b]")
    fields: list[list[tuple[str, str]]] = []
    for item in filter(None, (found["body"] or "").split(",")):
        key, equals, values = (piece.strip() for piece in item.partition("="))
        if not key or not equals or not values:
            raise UsageError(f"can't read {item!r} in {text!r}", "write field=value")
        fields.append([(key, value.strip()) for value in values.split("|")])
    keys = [field[0][0] for field in fields]
    for key in keys:
        if keys.count(key) > 1:
            raise UsageError(f"{text!r} sets {key!r} twice", f"for a sweep write {key}=a|b")
    specs = [Spec(found["name"], choice) for choice in itertools.product(*fields)]
    if len(specs) > MAX_SWEEP:
        raise UsageError(f"{text!r} makes {len(specs)} plugins", f"at most {MAX_SWEEP}")
    return specs
