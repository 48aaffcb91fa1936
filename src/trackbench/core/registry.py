"""Finds plugins through entry points, each isolated: a broken one costs one line, no more."""

from __future__ import annotations

import difflib
import importlib.metadata
import inspect
import os
import re
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, cast

import pluggy

from trackbench.core import hookspecs
from trackbench.core.combinations import named_combinations
from trackbench.core.configure import make_config
from trackbench.core.plugin import API_VERSION, Dataset, Labeler, Matcher, Plugin, Segmenter
from trackbench.errors import PluginError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from trackbench.core.spec import Spec

__all__ = ["DISABLE_VARIABLE", "Failure", "Registered", "Registry", "load_registry"]

DISABLE_VARIABLE: Final = "TRACKBENCH_DISABLE_PLUGINS"
OWN_DISTRIBUTION: Final = "trackbench"
_NAME = re.compile(r"[a-z0-9][a-z0-9-]*")
KINDS: Final[Mapping[str, type[Plugin[Any]]]] = MappingProxyType(
    {"segmenter": Segmenter, "matcher": Matcher, "labeler": Labeler, "dataset": Dataset}
)


@dataclass(frozen=True)
class Failure:
    """Why a plugin isn't there: who, what is wrong, the mend."""

    who: str
    what: str
    mend: str

    def __str__(self) -> str:
        return f"{self.who}: {self.what}: {self.mend}"


@dataclass(frozen=True)
class Registered:
    """A plugin class and where it comes from."""

    cls: type[Plugin[Any]]
    kind: str
    entry_point: str
    distribution: str
    version: str


class Registry:
    """The plugins of one process.

    Parameters
    ----------
    entry_points : iterable of importlib.metadata.EntryPoint
        In order of precedence: of two plugins with one name the first stays.
    disabled : set of str
        Names of entry points that are not loaded.
    """

    def __init__(
        self,
        entry_points: Iterable[importlib.metadata.EntryPoint],
        disabled: frozenset[str] = frozenset(),
    ) -> None:
        self._manager = pluggy.PluginManager("trackbench")
        self._manager.add_hookspecs(hookspecs)
        self._failures: list[Failure] = []
        self._plugins: dict[str, dict[str, Registered]] = {kind: {} for kind in KINDS}
        self.disabled = disabled
        for entry_point in entry_points:
            if entry_point.name not in disabled:
                self._load(entry_point)

    @property
    def failures(self) -> tuple[Failure, ...]:
        """One line for each plugin that couldn't be loaded."""
        return tuple(self._failures)

    def segmenters(self) -> dict[str, Registered]:
        """Give all segmenters by name."""
        return dict(self._plugins["segmenter"])

    def matchers(self) -> dict[str, Registered]:
        """Give all matchers by name."""
        return dict(self._plugins["matcher"])

    def labelers(self) -> dict[str, Registered]:
        """Give all labelers by name."""
        return dict(self._plugins["labeler"])

    def datasets(self) -> dict[str, Registered]:
        """Give all datasets by name."""
        return dict(self._plugins["dataset"])

    def find(self, kind: str, name: str) -> Registered:
        """Give one plugin.

        Raises
        ------
        UsageError
            No such plugin: the nearest name is suggested, and a failed one is told apart.
        """
        known = self._plugins[kind]
        if name in known:
            return known[name]
        raise UsageError(f"no {kind} is named {name!r}", self._hint(kind, name))

    def _hint(self, kind: str, name: str) -> str:
        broken = [failure for failure in self._failures if name in failure.who]
        if broken:
            return f"it failed to load ({broken[0]})"
        if name in self.disabled:
            return f"{DISABLE_VARIABLE} blocks it"
        sums = named_combinations() if kind == "labeler" else ()
        near = difflib.get_close_matches(name, [*self._plugins[kind], *sums], n=1)
        listed = ", ".join(sorted(self._plugins[kind])) or "none"
        return f"did you mean {near[0]!r}?" if near else f"there are: {listed}"

    def create(self, kind: str, spec: Spec, seed: int = 0) -> Plugin[Any]:
        """Make a configured plugin from what a user typed.

        Raises
        ------
        UsageError
            An unknown name or field, or a value out of range.
        PluginError
            The plugin's own constructor failed.
        """
        registered = self.find(kind, spec.name)
        try:
            config = make_config(spec.name, registered.cls.Config, dict(spec.parameters))
            return registered.cls(config, seed)
        except (PluginError, UsageError):
            raise
        except Exception as error:
            what = " ".join(f"{spec}: {type(error).__name__}: {error}".split())
            raise PluginError(
                what,
                f"report it to {registered.distribution}",
            ) from error

    def _load(self, entry_point: importlib.metadata.EntryPoint) -> None:
        who = _who(entry_point)
        try:
            module = entry_point.load()
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt):
                raise
            what = f"import failed ({type(error).__name__}: {error})".replace("\n", " ")
            self._fail(
                who,
                what,
                "mend or uninstall the package, or block it by name with "
                f"{DISABLE_VARIABLE}={entry_point.name}",
            )
            return
        version = getattr(module, "TRACKBENCH_API", API_VERSION)
        if version != API_VERSION:
            newer = isinstance(version, int) and version > API_VERSION
            self._fail(
                who,
                f"it is written for API {version}, this is API {API_VERSION}",
                "update trackbench" if newer else "update the plugin",
            )
            return
        if self._register(who, module):
            self._collect(who, entry_point, module)

    def _register(self, who: str, module: object) -> bool:
        misspelt = sorted(
            name
            for name, value in inspect.getmembers(module, callable)
            if hasattr(value, "trackbench_impl") and not hasattr(hookspecs, name)
        )
        if misspelt:
            hooks = [name for name in hookspecs.__all__ if name.startswith(hookspecs.PREFIX)]
            near = difflib.get_close_matches(misspelt[0], hooks, n=1)
            mend = f"did you mean {near[0]}?" if near else f"the hooks are {', '.join(hooks)}"
            self._fail(who, f"there is no hook {misspelt[0]}", mend)
            return False
        try:
            self._manager.register(module, name=who)
        except Exception as error:  # noqa: BLE001  pluggy's own checks, of several types
            self._fail(who, str(error).replace("\n", " "), "compare with the hook's specification")
            return False
        return True

    def _collect(
        self, who: str, entry_point: importlib.metadata.EntryPoint, module: object
    ) -> None:
        distribution = entry_point.dist
        origin = (distribution.name, distribution.version) if distribution else ("?", "?")
        found = 0
        for kind, base in KINDS.items():
            hook = getattr(module, f"{hookspecs.PREFIX}{kind}s", None)
            if not hasattr(hook, "trackbench_impl"):
                continue
            found += 1
            try:
                classes = list(cast("Any", hook)())
            except Exception as error:  # noqa: BLE001  a plugin's own code
                what = f"{hookspecs.PREFIX}{kind}s failed ({type(error).__name__}: {error})"
                self._fail(who, what.replace("\n", " "), "mend the hook")
                continue
            for cls in classes:
                self._add(who, Registered(cls, kind, entry_point.name, *origin), base)
        if not found:
            self._fail(who, "it implements no hook", "mark its hooks with @hookimpl")

    def _add(self, who: str, new: Registered, base: type[Plugin[Any]]) -> None:
        cls = new.cls
        if not (inspect.isclass(cls) and issubclass(cls, base)):
            self._fail(
                who, f"{cls!r} is no {base.__name__}", f"subclass trackbench.{base.__name__}"
            )
        elif inspect.isabstract(cls):
            missing = ", ".join(sorted(cls.__abstractmethods__))
            self._fail(who, f"{cls.__name__} lacks {missing}", "write the missing method")
        elif not _NAME.fullmatch(str(getattr(cls, "name", ""))):
            given = getattr(cls, "name", None)
            self._fail(
                who,
                f"{cls.__name__}.name is {given!r}",
                "give it a name of lower-case letters, digits and hyphens",
            )
        elif cls.name in self._plugins[new.kind]:
            other = self._plugins[new.kind][cls.name]
            self._fail(
                who,
                f"{new.kind} {cls.name!r} is already provided by {other.distribution} "
                f"(entry point {other.entry_point!r})",
                f"rename it, or block one with {DISABLE_VARIABLE}",
            )
        else:
            self._plugins[new.kind][cls.name] = new

    def _fail(self, who: str, what: str, mend: str) -> None:
        self._failures.append(Failure(who, what, mend))


def _who(entry_point: importlib.metadata.EntryPoint) -> str:
    owner = entry_point.dist.name if entry_point.dist else "unknown package"
    return f"{entry_point.name} ({owner})"


def _is_own(entry_point: importlib.metadata.EntryPoint) -> bool:
    return entry_point.dist is not None and entry_point.dist.name == OWN_DISTRIBUTION


def load_registry() -> Registry:
    """Load every installed plugin; the built-in ones first, then by name."""
    points = importlib.metadata.entry_points(group=hookspecs.ENTRY_POINT_GROUP)
    ordered = sorted(points, key=lambda point: (not _is_own(point), point.name))
    disabled = os.environ.get(DISABLE_VARIABLE, "")
    return Registry(
        ordered, frozenset(name.strip() for name in disabled.split(",") if name.strip())
    )
