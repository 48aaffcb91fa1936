"""One job: a few volumes from the file to assigned neurons."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, cast

import numpy as np

from trackbench.benchmarks.guard import guarded
from trackbench.benchmarks.record import Failure
from trackbench.core.assignment import assign
from trackbench.core.evidence import prefer_named, widen
from trackbench.core.pipeline import match_batch, view
from trackbench.errors import InputError
from trackbench.track.detect import Detector

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from trackbench.core.plugin import Matcher
    from trackbench.core.registry import Registry
    from trackbench.core.types import Match, PointCloud
    from trackbench.datasets.recordings import Recording
    from trackbench.track.plan import TrackPlan

__all__ = ["Found", "Worker"]

CANDIDATES: Final = 8
"""Tracks kept of each neuron: what a smoother may choose from."""

PREFERENCE: Final = 3.0
"""Log-odds by which a named template neuron is preferred to a nameless one, as `transfer` does."""

TRACKED, EMPTY, UNREADABLE, FAILED = range(4)


@dataclass(frozen=True, eq=False)
class Found:
    """One volume: its status, its neurons, and the track of each.

    Parameters
    ----------
    status : int
        Index into `STATUSES`.
    note : str
        Why it couldn't be read or matched.
    zyx_um : (n, 3) array of float32
    column : (n,) array of int32
        Track of each neuron, -1 for none.
    candidate, log_p, log_none
        As in `Detections`.
    """

    status: int
    note: str
    zyx_um: NDArray[np.float32]
    column: NDArray[np.int32]
    candidate: NDArray[np.int32]
    log_p: NDArray[np.float32]
    log_none: NDArray[np.float32]


class Worker:
    """Tracks volumes of one plan; makes plugins and the template ready once."""

    def __init__(self, registry: Registry, plan: TrackPlan) -> None:
        self.plan = plan
        self.recording: Recording = plan.source.open()
        self._detector = Detector.made(registry, self.recording, plan.segmenter, plan.seed)
        self._matcher: Matcher[Any] | None = None
        if plan.matcher is not None and plan.template is not None:
            made = registry.create("matcher", plan.matcher, plan.seed)
            self._matcher = cast("Matcher[Any]", made)
            seen = view(self._matcher, plan.template, plan.template.names)
            self._prepared = self._matcher.prepare(seen)

    def run(self, volumes: Sequence[int]) -> list[Found]:
        """Track volumes; one that can't be used has its status and a note."""
        clouds = {t: self._cloud(t) for t in volumes}
        usable = {t: cloud for t, cloud in clouds.items() if not isinstance(cloud, Found)}
        tables = dict(zip(usable, self._tables(list(usable.values())), strict=True))
        return [
            cloud if isinstance(cloud, Found) else _assigned(cloud, tables[t])
            for t, cloud in clouds.items()
        ]

    def _cloud(self, t: int) -> PointCloud | Found:
        try:
            cloud = self._detector.cloud(self.recording, t)
        except InputError as error:
            return _nothing(UNREADABLE, str(error))
        except Exception as error:  # noqa: BLE001  a segmenter's own code may throw anything
            return _nothing(FAILED, " ".join(f"{type(error).__name__}: {error}".split()))
        return _nothing(EMPTY) if cloud is None else cloud

    def _tables(self, clouds: list[PointCloud]) -> list[NDArray[np.float32] | Failure]:
        """Give log-probabilities (n, tracks + 1) of each cloud, the names preferred."""
        matches = self._known(clouds) if self._matcher is None else self._matched(clouds)
        names = self.plan.names
        return [
            match if isinstance(match, Failure) else prefer_named(match, names, PREFERENCE)
            for match in matches
        ]

    def _known(self, clouds: list[PointCloud]) -> list[NDArray[np.float32] | Failure]:
        """Read what the segmenter knows."""
        names = self.plan.names
        return [
            Failure("failed", "the segmenter gave no identities")
            if cloud.evidence is None or set(cloud.evidence.names) - set(names)
            else widen(cloud.evidence, names).astype(np.float32)
            for cloud in clouds
        ]

    def _matched(self, clouds: list[PointCloud]) -> list[NDArray[np.float32] | Failure]:
        """Match clouds in one batch, or one by one if the batch fails."""
        found = self._batch(clouds)
        if not isinstance(found, Failure):
            return [match.log_p for match in found]
        if len(clouds) == 1:
            return [found]
        alone = [self._batch([cloud]) for cloud in clouds]
        return [item if isinstance(item, Failure) else item[0].log_p for item in alone]

    def _batch(self, clouds: list[PointCloud]) -> list[Match] | Failure:
        matcher, template = self._matcher, self.plan.template
        if matcher is None or template is None:
            return []
        return guarded(matcher.name, lambda: match_batch(matcher, self._prepared, template, clouds))


def _assigned(cloud: PointCloud, table: NDArray[np.float32] | Failure) -> Found:
    if isinstance(table, Failure):
        return _nothing(FAILED, table.reason)
    tracks = table.shape[1] - 1
    kept = min(CANDIDATES, tracks)
    best = np.argpartition(-table[:, :-1], kept - 1, axis=1)[:, :kept]
    best = np.take_along_axis(best, np.argsort(-np.take_along_axis(table, best, 1), axis=1), 1)
    missing = CANDIDATES - kept
    return Found(
        TRACKED,
        "",
        cloud.zyx_um,
        assign(table).astype(np.int32),
        np.pad(best, ((0, 0), (0, missing)), constant_values=-1).astype(np.int32),
        np.pad(
            np.take_along_axis(table, best, 1), ((0, 0), (0, missing)), constant_values=-np.inf
        ).astype(np.float32),
        table[:, -1].astype(np.float32),
    )


def _nothing(status: int, note: str = "") -> Found:
    none = np.zeros((0, CANDIDATES))
    return Found(
        status,
        note,
        np.zeros((0, 3), np.float32),
        np.zeros(0, np.int32),
        none.astype(np.int32),
        none.astype(np.float32),
        np.zeros(0, np.float32),
    )
