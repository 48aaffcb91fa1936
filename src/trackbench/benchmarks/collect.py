"""Gathers cells into groups: one combination on one protocol, rows in the plan's order."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from trackbench.benchmarks.backends import backends_from_json
from trackbench.benchmarks.metrics.case import CaseScores, score_case
from trackbench.benchmarks.metrics.detection import DETECTION_METRICS
from trackbench.benchmarks.plan import cell_key
from trackbench.core.plugin import Protocol, Published

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from trackbench.benchmarks.backends import Backends
    from trackbench.benchmarks.record import Row
    from trackbench.benchmarks.store import Store

__all__ = ["Group", "GroupHead", "collect", "heads", "wanted_cells"]


@dataclass(frozen=True)
class GroupHead:
    """What a group is about.

    Parameters
    ----------
    segmenter, matcher, labeler : str
        As a user types them.
    dataset, split : str
    protocol : Protocol
    seed : int
    n_planned : int
        Cases that the run wanted.
    n_expected : int, optional
        Cases that the complete public dataset gives.
    key : str
        Content key of the combination.
    computed_by : dict of str to Backend
        Of the plugins that have a choice.
    """

    segmenter: str
    matcher: str
    labeler: str
    dataset: str
    protocol: Protocol
    split: str
    seed: int
    n_planned: int
    n_expected: int | None
    key: str
    computed_by: Backends = field(default_factory=dict)

    @property
    def names(self) -> tuple[object, ...]:
        """What tells groups apart; of two runs of one group the later counts."""
        way = (self.segmenter, self.matcher, self.labeler)
        return (*way, self.dataset, self.protocol.name, self.split, self.seed)


@dataclass(frozen=True)
class Group:
    """The rows of a group with their scores.

    Parameters
    ----------
    head : GroupHead
    rows : tuple of Row
        In the order of the cases. Fewer than planned where a run was interrupted.
    scores : tuple of (CaseScores or None)
        None where a row has no prediction.
    """

    head: GroupHead
    rows: tuple[Row, ...]
    scores: tuple[CaseScores | None, ...]


def collect(store: Store) -> Iterator[Group]:
    """Give all groups of a store, in the order in which they were first wanted."""
    for head, chunks in _latest(store):
        yield _group(store, head, chunks)


def wanted_cells(store: Store) -> set[str]:
    """Give the keys of the cells that `collect` reads."""
    return {cell_key(head.key, chunk) for head, chunks in _latest(store) for chunk in chunks}


def _latest(store: Store) -> list[tuple[GroupHead, list[str]]]:
    """Give every group with the keys of its chunks; of two runs of one the later counts."""
    latest: dict[tuple[object, ...], tuple[GroupHead, list[str]]] = {}
    for plan in store.plans():
        for part in plan["parts"]:
            chunks = [chunk["key"] for chunk in part["chunks"]]
            for way in part["combinations"]:
                head = _head(plan, part, way)
                latest[head.names] = (head, chunks)
    return list(latest.values())


def heads(plan: dict[str, Any]) -> list[GroupHead]:
    """Give the heads of the groups that a stored plan wants."""
    return [_head(plan, part, way) for part in plan["parts"] for way in part["combinations"]]


def _group(store: Store, head: GroupHead, chunks: Sequence[str]) -> Group:
    records = [store.cell(cell_key(head.key, chunk)) for chunk in chunks]
    rows = tuple(row for record in records if record is not None for row in record.rows)
    metric = head.protocol.metric
    return Group(head, rows, tuple(_scores(row, metric) for row in rows))


def _scores(row: Row, metric: str) -> CaseScores | None:
    if row.prediction is None:
        return None
    named = score_case(row.prediction, metric)
    detected = dict.fromkeys(DETECTION_METRICS) | dict(row.detection or {})
    return replace(named, values=named.values | detected)


def _head(plan: dict[str, Any], part: dict[str, Any], way: dict[str, Any]) -> GroupHead:
    protocol = dict(part["protocol"])
    protocol["published"] = tuple(Published(**item) for item in protocol["published"])
    protocol["splits"] = tuple(protocol["splits"])
    return GroupHead(
        **{**way, "computed_by": backends_from_json(way.get("computed_by", {}))},
        dataset=part["dataset"],
        protocol=Protocol(**protocol),
        split=part["split"],
        seed=plan["seed"],
        n_planned=part["n_cases"],
        n_expected=part["n_expected"],
    )
