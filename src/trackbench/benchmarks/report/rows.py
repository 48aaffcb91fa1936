"""The scores of single cases, read from a store's table of rows."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from trackbench.benchmarks.combination import way
from trackbench.benchmarks.metrics import METRICS
from trackbench.benchmarks.record import FAILURES, SKIPPED
from trackbench.benchmarks.summary import COUNTED_FIRST
from trackbench.benchmarks.tables import ROWS

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd
    from numpy.typing import NDArray

__all__ = [
    "IDENTITY",
    "MAX_FAILURES",
    "Cases",
    "Failures",
    "Who",
    "failures",
    "notes",
    "read_cases",
]

IDENTITY: Final = ("segmenter", "matcher", "labeler", "dataset", "protocol", "split", "seed")
"""Columns that tell one combination on one protocol from another."""

MAX_FAILURES: Final = 200
"""Reasons of failures that a report lists, each with its cases."""

Who = tuple[Any, ...]
"""Values of `IDENTITY`."""


@dataclass(frozen=True, eq=False)
class Cases:
    """The cases that a mean is taken over.

    Parameters
    ----------
    ids, animals, groups : (n,) array of str
    values : (n,) array of float64
        The protocol's own metric; NaN where a case has no neuron to score.
    """

    ids: NDArray[np.object_]
    animals: NDArray[np.object_]
    groups: NDArray[np.object_]
    values: NDArray[np.float64]

    @property
    def scored(self) -> Cases:
        """Only the cases that have a value."""
        kept = np.isfinite(self.values)
        return Cases(self.ids[kept], self.animals[kept], self.groups[kept], self.values[kept])


@dataclass(frozen=True)
class Failures:
    """Rows of one combination that failed for one reason.

    Parameters
    ----------
    way, where, status, reason : str
    cases : tuple of str
    log : str
        Of the first of them.
    """

    way: str
    where: str
    status: str
    reason: str
    cases: tuple[str, ...]
    log: str


def read_cases(store: Path) -> dict[Who, Cases]:
    """Give the counted cases of every combination, in the order of the protocol."""
    import pyarrow.parquet as pq

    metrics = [metric for metric in METRICS if metric in pq.read_schema(store / ROWS).names]
    columns = [*IDENTITY, "case", "animal", "group", "status", "oracle", "headline", *metrics]
    table = pq.read_table(store / ROWS, columns=columns, read_dictionary=list(IDENTITY[:-1]))
    frame = _counted(table.to_pandas())
    values = np.full(len(frame), np.nan)
    for metric in frame["headline"].unique():
        own = (frame["headline"] == metric).to_numpy()
        values[own] = frame[metric].to_numpy(np.float64)[own]
    ids, animals, labs = (frame[name].to_numpy(object) for name in ("case", "animal", "group"))
    groups = frame.groupby(list(IDENTITY), sort=False, observed=True).indices
    return {
        tuple(who): Cases(ids[index], animals[index], labs[index], values[index])
        for who, index in groups.items()
    }


def _counted(frame: pd.DataFrame) -> pd.DataFrame:
    """Keep the clean rows of each combination, or the first kind of marked ones that it has."""
    kind = np.full(len(frame), len(COUNTED_FIRST))
    for k, (status, oracle) in enumerate(COUNTED_FIRST):
        kind[((frame["status"] == status) & (frame["oracle"] == oracle)).to_numpy()] = k
    kinds = frame.assign(kind=kind).groupby(list(IDENTITY), sort=False, observed=True)["kind"]
    return frame[(kind == kinds.transform("min")) & (kind < len(COUNTED_FIRST))]


def failures(store: Path) -> tuple[list[Failures], int]:
    """Gather failed rows by their reason, and count them; at most `MAX_FAILURES` reasons."""
    import pyarrow.parquet as pq

    columns = [*IDENTITY, "status", "reason", "case", "log"]
    wanted = [("status", "in", sorted(FAILURES))]
    frame = pq.read_table(store / ROWS, columns=columns, filters=wanted).to_pandas()
    groups = frame.groupby([*IDENTITY, "status", "reason"], sort=False)
    found: list[Failures] = []
    for (segmenter, matcher, labeler, _, protocol, split, _, status, reason), own in groups:
        if len(found) == MAX_FAILURES:
            break
        named = (way(segmenter, matcher, labeler), f"{protocol} ({split})", status, reason)
        found.append(Failures(*named, tuple(own["case"]), own["log"].iloc[0]))
    return found, len(frame)


def notes(store: Path) -> dict[str, int]:
    """Give the notes of readers and the reasons for skipped cases, with their counts."""
    import pyarrow.parquet as pq

    table = pq.read_table(store / ROWS, columns=["notes"])
    skipped = pq.read_table(store / ROWS, columns=["reason"], filters=[("status", "==", SKIPPED)])
    counts: dict[str, int] = {}
    for item in table["notes"].value_counts().to_pylist():
        for text in json.loads(item["values"]):
            counts[text] = counts.get(text, 0) + item["counts"]
    for item in skipped["reason"].value_counts().to_pylist():
        text = f"skipped: {item['values']}"
        counts[text] = counts.get(text, 0) + item["counts"]
    return counts
