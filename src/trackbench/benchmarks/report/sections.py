"""What a report shows, arranged by protocol."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from trackbench.benchmarks.backends import backends_from_json
from trackbench.benchmarks.combination import way
from trackbench.benchmarks.metrics import METRICS
from trackbench.benchmarks.report.labs import by_lab
from trackbench.benchmarks.report.neurons import read_neurons
from trackbench.benchmarks.report.rows import IDENTITY, read_cases

if TYPE_CHECKING:
    from trackbench.benchmarks.report.labs import Lab
    from trackbench.benchmarks.report.neurons import Neurons
    from trackbench.benchmarks.report.rows import Cases, Who
    from trackbench.benchmarks.store import Store

__all__ = ["DRAWN", "LISTED", "Entry", "Section", "read_sections"]

DRAWN: Final = 8
"""Methods of a protocol that figures and breakdowns show: as many as there are colors."""

LISTED: Final = 500
"""Methods of a protocol that a table lists; `summary.json` has the others."""


@dataclass(frozen=True, eq=False)
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
    cases : Cases, optional
        The headline metric case by case; None where nothing was scored.
    neurons : Neurons, optional
        For the first `DRAWN` entries of a section, where anything was scored.
    """

    name: str
    headline: dict[str, Any]
    metrics: dict[str, dict[str, Any]]
    cases: Cases | None = None
    neurons: Neurons | None = None

    @property
    def who(self) -> Who:
        """What tells it from other entries, also of other protocols."""
        return tuple(self.headline[name] for name in IDENTITY)

    @cached_property
    def labs(self) -> dict[str, Lab]:
        """The headline metric by lab or group."""
        return {} if self.cases is None else by_lab(self.cases)

    @property
    def marks(self) -> list[str]:
        """Why it leads no leaderboard: oracle, contaminated, incomplete."""
        row = self.headline
        incomplete = row["n_cases"] < row["n_planned"] and row["mean"] is not None
        known = (("oracle", row["oracle"]), ("contaminated", row["contaminated"]))
        return [name for name, on in (*known, ("incomplete", incomplete)) if on]

    @property
    def quotable(self) -> bool:
        """Whether it knew nothing of the true names and saw no test animal."""
        return not self.headline["oracle"] and not self.headline["contaminated"]

    @property
    def rank(self) -> tuple[int, float]:
        """Where it stands: clean and complete ones first, by their mean."""
        mean = self.headline["mean"]
        place = 3 if mean is None else 2 * (not self.headline["headline"]) + bool(self.marks)
        return place, -(mean or 0.0)


@dataclass(frozen=True, eq=False)
class Section:
    """One protocol and split with its entries, the best first, marked ones last.

    Parameters
    ----------
    dataset, protocol, split : str
    description : str
        What the protocol is, in one line.
    metric : str
        The protocol's own.
    entries : tuple of Entry
    published : tuple of dict
        Numbers from the literature: method, metric, value, source, note.
    """

    dataset: str
    protocol: str
    split: str
    description: str
    metric: str
    entries: tuple[Entry, ...]
    published: tuple[dict[str, Any], ...]

    @property
    def title(self) -> str:
        """Give dataset, protocol and split."""
        return f"{self.dataset} · {self.protocol} · {self.split}"

    @property
    def listed(self) -> tuple[Entry, ...]:
        """The entries that tables list."""
        return self.entries[:LISTED]

    @property
    def drawn(self) -> tuple[Entry, ...]:
        """The entries that figures and breakdowns show."""
        return tuple(entry for entry in self.entries[:DRAWN] if entry.headline["mean"] is not None)

    @property
    def best(self) -> Entry | None:
        """The best one that may be quoted, complete on what was planned; None if there is none."""
        first = self.entries[0]
        return first if first.headline["headline"] and not first.marks else None

    @property
    def partial(self) -> bool:
        """Whether fewer cases were wanted than the complete public data gives."""
        row = self.entries[0].headline
        return row["n_expected"] is not None and row["n_planned"] < row["n_expected"]

    @property
    def best_published(self) -> dict[str, Any] | None:
        """The best published number in the same metric."""
        same = [item for item in self.published if item["metric"] == self.metric]
        return max(same, key=lambda item: float(item["value"]), default=None)

    @cached_property
    def measured(self) -> list[str]:
        """The metrics that any entry has, in their order."""
        return [metric for metric in METRICS if any(metric in e.metrics for e in self.entries)]

    @cached_property
    def groups(self) -> list[str]:
        """The labs, in alphabetical order."""
        return sorted({name for entry in self.entries for name in entry.headline["groups"]})

    @property
    def computed_by(self) -> list[str]:
        """What computed the plugins that have a choice; earlier versions didn't write that."""
        found = [backends_from_json(e.headline.get("computed_by", {})) for e in self.entries]
        return sorted({f"{name} by {backend}" for own in found for name, backend in own.items()})

    @property
    def meaning(self) -> str:
        """What the headline metric says."""
        return METRICS[self.metric]

    @property
    def one_animal(self) -> bool:
        """Whether all cases are of one animal, as in a recording: cases are then a time axis."""
        return all(entry.headline["n_animals"] <= 1 for entry in self.entries)


def read_sections(store: Store) -> list[Section]:
    """Arrange what a store has collected by protocol.

    Neuron by neuron, only the first `DRAWN` entries of each section are read.
    """
    summary = json.loads((store.folder / "summary.json").read_bytes())
    grouped: dict[tuple[str, str, str], dict[Who, list[dict[str, Any]]]] = {}
    for row in summary:
        where = (row["dataset"], row["protocol"], row["split"])
        grouped.setdefault(where, {}).setdefault(tuple(row[k] for k in IDENTITY), []).append(row)
    ranked = {
        where: sorted((_entry(rows) for rows in ways.values()), key=lambda entry: entry.rank)
        for where, ways in grouped.items()
    }
    shown = [entry for entries in ranked.values() for entry in entries[:DRAWN]]
    cases = {who: own.scored for who, own in read_cases(store.folder).items()}
    wanted = {
        entry.who: (entry.headline["metric"], cases[entry.who])
        for entry in shown
        if entry.headline["n_cases"]
    }
    neurons = read_neurons(store.folder, wanted)
    protocols = _protocols(store)
    return [
        _section(where, [_filled(entry, cases, neurons) for entry in entries], protocols)
        for where, entries in ranked.items()
    ]


def _protocols(store: Store) -> dict[tuple[str, str, str], dict[str, Any]]:
    return {
        (part["dataset"], part["protocol"]["name"], part["split"]): part["protocol"]
        for plan in store.plans()
        for part in plan["parts"]
    }


def _section(
    where: tuple[str, str, str],
    entries: list[Entry],
    protocols: dict[tuple[str, str, str], dict[str, Any]],
) -> Section:
    protocol = protocols.get(where, {})
    return Section(
        *where,
        description=protocol.get("description", ""),
        metric=entries[0].headline["metric"],
        entries=tuple(entries),
        published=tuple(protocol.get("published", ())),
    )


def _entry(rows: list[dict[str, Any]]) -> Entry:
    headline = next(row for row in rows if row["primary"])
    name = way(headline["segmenter"], headline["matcher"], headline["labeler"])
    if headline["seed"]:
        name += f" > seed {headline['seed']}"
    return Entry(name, headline, {row["metric"]: row for row in rows})


def _filled(entry: Entry, cases: dict[Who, Cases], neurons: dict[Who, Neurons]) -> Entry:
    own = cases.get(entry.who) if entry.headline["n_cases"] else None
    return Entry(entry.name, entry.headline, entry.metrics, own, neurons.get(entry.who))
