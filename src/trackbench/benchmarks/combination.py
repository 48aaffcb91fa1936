"""One way through the pipeline: a segmenter, a matcher and a sum of labelers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from trackbench.core.combinations import shown
from trackbench.core.keys import content_key, core_key, source_key

if TYPE_CHECKING:
    from trackbench.core.plugin import Backend, Plugin
    from trackbench.core.registry import Registry
    from trackbench.core.spec import Spec

__all__ = ["GIVEN_POINTS", "NO_MATCHER", "SCHEMA", "Combination", "identity", "way"]

SCHEMA: Final = 1
"""Version of the stored values; stored results of another one are never reused."""

GIVEN_POINTS: Final = "truth"
"""Name of the segmenter that isn't one: the points that the dataset gives."""

NO_MATCHER: Final = "-"
"""What stands for the matcher where no labeler uses matches."""


def way(segmenter: str, matcher: str, labeler: str) -> str:
    """Write a way through the pipeline for people: what isn't there is left out."""
    shown = [] if segmenter == GIVEN_POINTS else [segmenter]
    if matcher != NO_MATCHER:
        shown.append(matcher)
    return " > ".join([*shown, labeler])


def identity(registry: Registry, kind: str, plugin: Plugin[Any]) -> str:
    """Key of one configured plugin: its package and version, source, config, seed and backend."""
    found = registry.find(kind, plugin.name)
    return content_key(
        SCHEMA,
        kind,
        plugin.name,
        found.distribution,
        found.version,
        source_key(type(plugin)),
        plugin.config.model_dump(mode="json"),
        plugin.seed,
        plugin.backend.name,
    )


@dataclass(frozen=True)
class Combination:
    """A segmenter, a matcher and a sum of labelers, as typed, with the key of each.

    Parameters
    ----------
    segmenter : Spec, optional
        None for the given points.
    matcher : Spec, optional
        None where no labeler uses matches.
    labelers : tuple of Spec
    segmenter_key, matcher_key : str
        See `identity`; "" where there is none.
    labeler_keys : tuple of str
    computed_by : tuple of (str, Backend)
        Plugin, as typed, and what computes it, of those that have a choice.
    """

    segmenter: Spec | None
    matcher: Spec | None
    labelers: tuple[Spec, ...]
    segmenter_key: str
    matcher_key: str
    labeler_keys: tuple[str, ...]
    computed_by: tuple[tuple[str, Backend], ...] = ()

    @property
    def names(self) -> tuple[str, str, str]:
        """Segmenter, matcher and labelers as a table shows them."""
        segmenter = GIVEN_POINTS if self.segmenter is None else str(self.segmenter)
        matcher = NO_MATCHER if self.matcher is None else str(self.matcher)
        return segmenter, matcher, shown(self.labelers)

    @property
    def plugins(self) -> tuple[tuple[str, Spec], ...]:
        """Kind and spec of every plugin."""
        found = [("labeler", spec) for spec in self.labelers]
        if self.matcher is not None:
            found.append(("matcher", self.matcher))
        if self.segmenter is not None:
            found.append(("segmenter", self.segmenter))
        return tuple(found)

    @property
    def match_key(self) -> str:
        """Key of what comes before the labelers; core's code is part of every key."""
        return content_key(SCHEMA, core_key(), self.segmenter_key, self.matcher_key)

    @property
    def key(self) -> str:
        """Key of the whole way."""
        return content_key(self.match_key, self.labeler_keys)
