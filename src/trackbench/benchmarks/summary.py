"""The table for programs: one object a group and metric."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from trackbench.benchmarks.metrics.summary import Estimate, summarise
from trackbench.benchmarks.record import CONTAMINATED, FAILURES, OK, SCORED, STATUSES

if TYPE_CHECKING:
    from trackbench.benchmarks.backends import Backends
    from trackbench.benchmarks.collect import Group
    from trackbench.benchmarks.metrics.case import CaseScores
    from trackbench.benchmarks.record import Row

__all__ = ["COUNTED_FIRST", "MISSING", "SummaryRow", "summary_rows"]

MISSING: Final = "missing"
"""Status of planned cases without a row: the run was interrupted."""

COUNTED_FIRST: Final = ((OK, False), (OK, True), (CONTAMINATED, False), (CONTAMINATED, True))
"""Status, and whether an oracle: a mean is taken over the rows of the first kind that there is."""


@dataclass(frozen=True)
class SummaryRow:
    """One metric of one group.

    Parameters
    ----------
    segmenter, matcher, labeler, dataset, protocol, split : str
    metric : str
    mean, low, high : float or None
        Mean over cases and its 95 % interval; None where no case was scored.
    n_cases, n_animals : int
        Behind the mean.
    unit : str
        What the interval draws: "animal", or "case" where there is one animal alone.
    seconds_per_volume : float or None
        From the timing pass: batched, templates prepared.
    statuses : dict of str to int
        Rows by status.
    primary : bool
        Whether this is the protocol's own metric.
    headline : bool
        Whether it is that, free of oracles and contamination.
    oracle, contaminated : bool
        Whether the rows behind the mean are marked so.
    n_planned, n_expected : int, int or None
        Cases that the run wanted, and that the complete public dataset gives.
    groups : dict
        Mean and number of cases by group (lab).
    mean_of_groups : float or None
    seed : int
    timing : dict or None
        The whole timing record.
    computed_by : dict of str to Backend
        Plugin and what computed it, of those that have a choice.
    """

    segmenter: str
    matcher: str
    labeler: str
    dataset: str
    protocol: str
    split: str
    metric: str
    mean: float | None
    low: float | None
    high: float | None
    n_cases: int
    n_animals: int
    unit: str
    seconds_per_volume: float | None
    statuses: dict[str, int]
    primary: bool
    headline: bool
    oracle: bool
    contaminated: bool
    n_planned: int
    n_expected: int | None
    groups: dict[str, dict[str, float | int]]
    mean_of_groups: float | None
    seed: int
    timing: dict[str, Any] | None
    computed_by: Backends

    @property
    def n_failed(self) -> int:
        """How many rows of the group are failures, or were never run."""
        return sum(n for status, n in self.statuses.items() if status in FAILURES | {MISSING})

    def to_json(self) -> dict[str, Any]:
        """Give what JSON takes, without copying it."""
        return dict(vars(self))


def summary_rows(group: Group, timing: dict[str, Any] | None = None) -> list[SummaryRow]:
    """Summarise a group: its headline metric first, then the others.

    Clean rows count; where there are none, those of an oracle, then contaminated ones, and the
    result is marked so.
    """
    counted = _counted(group)
    headline = group.head.protocol.metric
    estimates = summarise(counted.scores, counted.units) or [_nothing(headline)]
    estimates.sort(key=lambda item: item.metric != headline)
    return [_row(group, item, counted, timing) for item in estimates]


@dataclass(frozen=True)
class _Counted:
    """The rows that a mean is taken over, with their scores."""

    rows: tuple[Row, ...] = ()
    scores: tuple[CaseScores, ...] = ()

    @property
    def n_animals(self) -> int:
        return len({row.animal for row in self.rows})

    @property
    def unit(self) -> str:
        return "animal" if self.n_animals > 1 else "case"

    @property
    def units(self) -> list[str]:
        animals = self.unit == "animal"
        return [row.animal if animals else row.case for row in self.rows]

    @property
    def clean(self) -> bool:
        return bool(self.rows) and not self.oracle and not self.contaminated

    @property
    def oracle(self) -> bool:
        return any(row.oracle for row in self.rows)

    @property
    def contaminated(self) -> bool:
        return any(row.status == CONTAMINATED for row in self.rows)


def _counted(group: Group) -> _Counted:
    pairs = [
        (row, score)
        for row, score in zip(group.rows, group.scores, strict=True)
        if row.status in SCORED and score is not None
    ]
    for status, oracle in COUNTED_FIRST:
        kept = [pair for pair in pairs if (pair[0].status, pair[0].oracle) == (status, oracle)]
        if kept:
            return _Counted(tuple(row for row, _ in kept), tuple(score for _, score in kept))
    return _Counted()


def _row(
    group: Group, estimate: Estimate, counted: _Counted, timing: dict[str, Any] | None
) -> SummaryRow:
    head = group.head
    groups = _by_group(estimate.metric, counted)
    primary = estimate.metric == head.protocol.metric
    return SummaryRow(
        segmenter=head.segmenter,
        matcher=head.matcher,
        labeler=head.labeler,
        dataset=head.dataset,
        protocol=head.protocol.name,
        split=head.split,
        metric=estimate.metric,
        mean=_plain(estimate.mean),
        low=_plain(estimate.low),
        high=_plain(estimate.high),
        n_cases=estimate.n_cases,
        n_animals=counted.n_animals,
        unit=counted.unit,
        seconds_per_volume=None if timing is None else timing["seconds_per_volume"],
        statuses=_statuses(group),
        primary=primary,
        headline=primary and counted.clean,
        oracle=counted.oracle,
        contaminated=counted.contaminated,
        n_planned=head.n_planned,
        n_expected=head.n_expected,
        groups=groups,
        mean_of_groups=float(np.mean([g["mean"] for g in groups.values()])) if groups else None,
        seed=head.seed,
        timing=timing,
        computed_by=head.computed_by,
    )


def _statuses(group: Group) -> dict[str, int]:
    counts = Counter(row.status for row in group.rows)
    missing = group.head.n_planned - len(group.rows)
    found = {status: counts[status] for status in STATUSES if counts[status]}
    return found | ({MISSING: missing} if missing else {})


def _by_group(metric: str, counted: _Counted) -> dict[str, dict[str, float | int]]:
    values: dict[str, list[float]] = {}
    for row, score in zip(counted.rows, counted.scores, strict=True):
        value = score.values.get(metric)
        if row.group and value is not None:
            values.setdefault(row.group, []).append(value)
    return {
        name: {"mean": float(np.mean(found)), "n_cases": len(found)}
        for name, found in sorted(values.items())
    }


def _nothing(metric: str) -> Estimate:
    nan = float("nan")
    return Estimate(metric, nan, nan, nan, 0)


def _plain(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
