"""What computes plugins that have several ways to the same answers, kept beside their results."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from trackbench.core.plugin import Backend

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from trackbench.core.registry import Registry
    from trackbench.core.spec import Spec

__all__ = ["Backends", "Unlike", "backends_from_json", "backends_of", "unlike"]

Backends = dict[str, Backend]
"""From a plugin, as typed, to what computes it; a plugin that has no choice isn't in it."""


@dataclass(frozen=True)
class Unlike:
    """A plugin that another backend computes in head than in base.

    Parameters
    ----------
    plugin : str
        As typed.
    base, head : Backend
    """

    plugin: str
    base: Backend
    head: Backend

    def __str__(self) -> str:
        return f"{self.plugin} is computed by {self.head} in head, by {self.base} in base"


def backends_of(registry: Registry, plugins: Iterable[tuple[str, Spec]]) -> Backends:
    """Ask the plugins, each given by kind and spec, what computes them on this machine."""
    found = {str(spec): registry.create(kind, spec).backend for kind, spec in plugins}
    return {name: backend for name, backend in found.items() if backend.name}


def backends_from_json(value: Mapping[str, tuple[str, str]]) -> Backends:
    """Read what JSON makes of backends: of each a list of its name, and why it isn't a faster one.

    Raises
    ------
    AttributeError, TypeError, ValueError
        It is something else.
    """
    return {str(plugin): Backend(str(name), str(why)) for plugin, (name, why) in value.items()}


def unlike(base: Backends, head: Backends) -> tuple[Unlike, ...]:
    """Give the plugins that both sides know of and compute in different ways."""
    common = [plugin for plugin in head if plugin in base]
    pairs = [Unlike(plugin, base[plugin], head[plugin]) for plugin in common]
    return tuple(pair for pair in pairs if pair.base.name != pair.head.name)
