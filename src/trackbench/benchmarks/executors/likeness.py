"""Says in what a worker differs from the run that it works for: versions, sources, backends."""

from __future__ import annotations

import sys
from importlib import metadata
from typing import TYPE_CHECKING, Final

from trackbench import __version__
from trackbench.core.keys import core_key, source_key
from trackbench.core.registry import load_registry
from trackbench.core.spec import Spec
from trackbench.errors import TrackbenchError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from trackbench.benchmarks.combination import Combination
    from trackbench.core.registry import Registry

__all__ = ["differences", "likeness", "likeness_here", "plugins_of"]

LIBRARIES: Final = ("numpy", "scipy", "torch")
"""Libraries whose version decides the last digit of a result."""

SHORT: Final = 8
ABSENT: Final = "not installed"


def plugins_of(way: Combination) -> tuple[tuple[str, str], ...]:
    """Give kind and name of every plugin of a combination."""
    return tuple(sorted({(kind, spec.name) for kind, spec in way.plugins}))


def likeness(registry: Registry, plugins: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Give versions, source hashes and backends of all that a result depends on.

    Parameters
    ----------
    registry : Registry
    plugins : iterable of (kind, name)

    Returns
    -------
    dict of str to str
        By what a person would call it: "Python", "numpy", "trackbench", "matcher cpd".
    """
    found = {"Python": f"{sys.version_info.major}.{sys.version_info.minor}"}
    found |= {library: _version(library) for library in LIBRARIES}
    found["trackbench"] = f"{__version__} (source {core_key()[:SHORT]})"
    return found | {f"{kind} {name}": _plugin(registry, kind, name) for kind, name in plugins}


def likeness_here(plugins: tuple[tuple[str, str], ...]) -> dict[str, str]:
    """Give the likeness of this process with all plugins that it finds."""
    return likeness(load_registry(), plugins)


def differences(here: dict[str, str], there: dict[str, str]) -> list[str]:
    """Say what is not the same: one phrase each."""
    return [
        f"{what} {there.get(what, ABSENT)} instead of {wanted}"
        for what, wanted in here.items()
        if there.get(what) != wanted
    ]


def _plugin(registry: Registry, kind: str, name: str) -> str:
    try:
        found = registry.find(kind, name)
        backend = registry.create(kind, Spec(name)).backend.name
    except TrackbenchError:
        return ABSENT
    computed = f", computed by {backend}" if backend else ""
    source = source_key(found.cls)[:SHORT]
    return f"{found.distribution} {found.version} (source {source}{computed})"


def _version(library: str) -> str:
    try:
        return metadata.version(library)
    except metadata.PackageNotFoundError:
        return ABSENT
