"""What a report shows, read from a store's collected tables."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from trackbench.benchmarks.metrics import METRICS
from trackbench.benchmarks.record import FAILURES, SKIPPED
from trackbench.benchmarks.tables import ROWS

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["MAX_FAILURES", "MAX_POINTS", "Entry", "Section", "failures", "notes", "sections"]

MAX_POINTS: Final = 1000
"""Cases that a plot shows of one combination; more are thinned evenly."""

MAX_FAILURES: Final = 200
"""Failures that a report lists; the others are counted."""

METRIC_COLUMNS: Final = tuple(metric for metric in METRICS if metric != "ece")
IDENTITY: Final = ("segmenter", "matcher", "labeler", "dataset", "protocol", "split", "seed")


@dataclass(frozen=True)
class Entry:
    """One combination on one protocol.

    Parameters
    ----------
    name : str
        As a table shows it.
    headline : dict
        The summary object of the protocol's own metric.
    metrics : dict of str to dict
        All summary objects by metric.
    cases : list of (str, float)
        Case and value of the headline metric, thinned.
    """

    name: str
    headline: dict[str, Any]
    metrics: dict[str, dict[str, Any]]
    cases: list[tuple[str, float]]

    @property
    def marks(self) -> list[str]:
        """Why it leads no leaderboard: oracle, contaminated, incomplete."""
        row = self.headline
        incomplete = row["n_cases"] < row["n_planned"] and row["mean"] is not None
        known = (("oracle", row["oracle"]), ("contaminated", row["contaminated"]))
        return [name for name, on in (*known, ("incomplete", incomplete)) if on]

    @property
    def rank(self) -> tuple[int, float]:
        """Where it stands: clean and complete ones first, by their mean."""
        mean = self.headline["mean"]
        place = 3 if mean is None else 2 * (not self.headline["headline"]) + bool(self.marks)
        return place, -(mean or 0.0)


@dataclass(frozen=True)
class Section:
    """One protocol and split with its entries, the best first, marked ones last."""

    dataset: str
    protocol: str
    split: str
    metric: str
    entries: tuple[Entry, ...]
    published: tuple[dict[str, Any], ...]

    @cached_property
    def groups(self) -> list[str]:
        """The labs, in alphabetical order."""
        return sorted({name for entry in self.entries for name in entry.headline["groups"]})

    @property
    def meaning(self) -> str:
        """What the headline metric says."""
        return METRICS[self.metric]


def sections(
    summary: list[dict[str, Any]], plans: list[dict[str, Any]], store: Path
) -> list[Section]:
    """Arrange a store's summary by protocol."""
    published = {
        (part["dataset"], part["protocol"]["name"], part["split"]): part["protocol"]["published"]
        for plan in plans
        for part in plan["parts"]
    }
    by_protocol: dict[tuple[str, str, str], dict[tuple[Any, ...], list[dict[str, Any]]]] = {}
    for row in summary:
        where = (row["dataset"], row["protocol"], row["split"])
        who = tuple(row[name] for name in IDENTITY)
        by_protocol.setdefault(where, {}).setdefault(who, []).append(row)
    values = _case_values(store)
    found = []
    for where, ways in by_protocol.items():
        entries = [_entry(rows, values.get(who)) for who, rows in ways.items()]
        entries.sort(key=lambda entry: entry.rank)
        metric = entries[0].headline["metric"]
        found.append(Section(*where, metric, tuple(entries), tuple(published.get(where, ()))))
    return found


def failures(store: Path) -> tuple[list[dict[str, Any]], int]:
    """Give failed rows with their logs, at most `MAX_FAILURES`, and how many there are."""
    import pyarrow.parquet as pq

    columns = [*IDENTITY, "case", "status", "reason", "log"]
    wanted = [("status", "in", sorted(FAILURES))]
    table = pq.read_table(store / ROWS, columns=columns, filters=wanted)
    rows: list[dict[str, Any]] = table.slice(0, MAX_FAILURES).to_pylist()
    return rows, table.num_rows


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


def _entry(rows: list[dict[str, Any]], cases: list[tuple[str, float]] | None) -> Entry:
    headline = next(row for row in rows if row["primary"])
    parts = [headline["matcher"], headline["labeler"]]
    if headline["segmenter"] != "truth":
        parts.insert(0, headline["segmenter"])
    if headline["seed"]:
        parts.append(f"seed {headline['seed']}")
    return Entry(" > ".join(parts), headline, {row["metric"]: row for row in rows}, cases or [])


def _case_values(store: Path) -> dict[tuple[Any, ...], list[tuple[str, float]]]:
    """Read the headline metric of every case; a row group holds one combination alone."""
    import pyarrow.parquet as pq

    values: dict[tuple[Any, ...], list[tuple[str, float]]] = {}
    file = pq.ParquetFile(store / ROWS)
    for i in range(file.num_row_groups):
        table = file.read_row_group(i, columns=[*IDENTITY, "case", "headline", *METRIC_COLUMNS])
        first = table.slice(0, 1).to_pylist()[0]
        pairs = zip(table["case"].to_pylist(), table[first["headline"]].to_pylist(), strict=True)
        found = [(case, value) for case, value in pairs if value is not None]
        values.setdefault(tuple(first[name] for name in IDENTITY), []).extend(found)
    return {who: _thinned(found) for who, found in values.items() if found}


def _thinned(found: list[tuple[str, float]]) -> list[tuple[str, float]]:
    index = np.unique(np.linspace(0, len(found) - 1, min(MAX_POINTS, len(found))).astype(int))
    return [found[i] for i in index]
