"""What one process keeps between cells: plugins, prepared templates, fitted labelers."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar, cast

from trackbench.benchmarks.combination import identity
from trackbench.core.keys import content_key
from trackbench.core.pipeline import FittedLabeler, fit_labelers, template_key, view
from trackbench.errors import PluginError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from trackbench.benchmarks.stages import StageCache
    from trackbench.core.plugin import Labeler, Matcher, Plugin, Segmenter
    from trackbench.core.registry import Registry
    from trackbench.core.spec import Spec
    from trackbench.core.types import PointCloud

__all__ = ["Workbench"]

MAX_PREPARED: Final = 512
MAX_FITTED: Final = 32
T = TypeVar("T")


class _Recent(Generic[T]):
    """The most recently used values by key."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._values: OrderedDict[str, T] = OrderedDict()

    def get(self, key: str, make: Callable[[], T]) -> T:
        if key not in self._values:
            self._values[key] = make()
            if len(self._values) > self._limit:
                self._values.popitem(last=False)
        self._values.move_to_end(key)
        return self._values[key]


class Workbench:
    """Plugins and their states in one process.

    Parameters
    ----------
    registry : Registry
    stages : StageCache
    seed : int
        The plan's.
    """

    def __init__(self, registry: Registry, stages: StageCache, seed: int) -> None:
        self.stages = stages
        self._registry = registry
        self._seed = seed
        self._plugins: dict[tuple[str, Spec], Plugin[Any]] = {}
        self._prepared: _Recent[Any] = _Recent(MAX_PREPARED)
        self._fitted: _Recent[tuple[FittedLabeler, ...]] = _Recent(MAX_FITTED)
        self._keys: dict[int, tuple[PointCloud, str]] = {}

    def segmenter(self, spec: Spec, key: str) -> Segmenter[Any]:
        """Give a segmenter; `key` is the identity that the plan saw."""
        return cast("Segmenter[Any]", self._plugin("segmenter", spec, key))

    def matcher(self, spec: Spec, key: str) -> Matcher[Any]:
        """Give a matcher; `key` is the identity that the plan saw."""
        return cast("Matcher[Any]", self._plugin("matcher", spec, key))

    def labeler(self, spec: Spec, key: str) -> Labeler[Any]:
        """Give a labeler; `key` is the identity that the plan saw."""
        return cast("Labeler[Any]", self._plugin("labeler", spec, key))

    def prepared(self, matcher: Matcher[Any], template: PointCloud) -> Any:
        """Give a template as the matcher prepared it."""
        seen = view(matcher, template, template.names)
        key = template_key(matcher, template)
        return self._prepared.get(key, lambda: matcher.prepare(seen))

    def fitted(
        self, labelers: Sequence[Labeler[Any]], references: Sequence[PointCloud]
    ) -> tuple[FittedLabeler, ...]:
        """Give labelers as they were fitted on the references."""
        who = [(item.name, item.config, item.seed) for item in labelers]
        key = content_key(who, [self._cloud_key(cloud) for cloud in references])
        return self._fitted.get(key, lambda: fit_labelers(labelers, references))

    def _cloud_key(self, cloud: PointCloud) -> str:
        if id(cloud) not in self._keys:
            if len(self._keys) >= MAX_PREPARED:
                self._keys.clear()
            self._keys[id(cloud)] = (cloud, content_key(cloud))
        return self._keys[id(cloud)][1]

    def _plugin(self, kind: str, spec: Spec, key: str) -> Plugin[Any]:
        if (kind, spec) not in self._plugins:
            plugin = self._registry.create(kind, spec, self._seed)
            if identity(self._registry, kind, plugin) != key:
                raise PluginError(
                    f"{kind} {spec} differs between the plan and its worker",
                    "install the same version in both",
                )
            self._plugins[kind, spec] = plugin
        return self._plugins[kind, spec]
