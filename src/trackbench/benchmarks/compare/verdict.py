"""Decides, combination by combination, whether head is worse than base."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Literal

import numpy as np

from trackbench.benchmarks.backends import unlike
from trackbench.benchmarks.compare.resultset import DIGITS
from trackbench.benchmarks.compare.statistics import holm, least_units, permutation_p, wilcoxon_p
from trackbench.errors import NothingComparableError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from trackbench.benchmarks.backends import Unlike
    from trackbench.benchmarks.compare.gates import Gates
    from trackbench.benchmarks.compare.resultset import Measured, Names, Speed

__all__ = ["AccuracyVerdict", "Comparison", "Line", "SpeedVerdict", "compare"]

AccuracyStatus = Literal["ok", "better", "worse", "too few", "failing", "marked"]
SpeedStatus = Literal["ok", "faster", "slower", "unsure", "unlike", "not measured"]
ACCURACY_EXPLAINED: Final[dict[str, str]] = {
    "ok": "no loss beyond the gate",
    "better": "significantly better",
    "worse": "REGRESSION",
    "too few": "too few units to tell",
    "failing": "REGRESSION: rows fail that did not",
    "marked": "oracle or contaminated: never gated",
}
SPEED_EXPLAINED: Final[dict[str, str]] = {
    "ok": "no slowdown beyond the gate",
    "faster": "faster",
    "slower": "REGRESSION",
    "unsure": "can't tell: noise, or another kind of processor",
    "unlike": "can't tell: other backends",
    "not measured": "not measured in both",
}


@dataclass(frozen=True)
class AccuracyVerdict:
    """Accuracy of head against base on the units that both have.

    Parameters
    ----------
    status : str
    base, head : float or None
        Means over the common units; None where there is none.
    difference : float or None
    n_units : int
        Units that both have.
    n_needed : int
        Units without which no difference could be significant.
    p : float
        One-sided, adjusted by Holm over the combinations.
    """

    status: AccuracyStatus
    base: float | None
    head: float | None
    difference: float | None
    n_units: int
    n_needed: int
    p: float


@dataclass(frozen=True)
class SpeedVerdict:
    """Seconds per volume, each divided by what was measured beside it.

    Parameters
    ----------
    status : str
    base_s, head_s : float or None
        As measured, in s per volume.
    ratio : float or None
        Head over base, each over what ran beside it: the median over all references.
    least, most : float or None
        The smallest and largest of these. They are far apart where one side ran on another kind of
        processor.
    unlike : tuple of Unlike
        Plugins that another backend computed in head than in base, and why. Their seconds say
        nothing about a change of the code: such a line is never slower or faster.
    """

    status: SpeedStatus
    base_s: float | None = None
    head_s: float | None = None
    ratio: float | None = None
    least: float | None = None
    most: float | None = None
    unlike: tuple[Unlike, ...] = ()


@dataclass(frozen=True)
class Line:
    """One combination on one protocol."""

    names: Names
    metric: str
    unit: str
    accuracy: AccuracyVerdict
    speed: SpeedVerdict

    @property
    def regressed(self) -> bool:
        """Whether a gate is broken."""
        return self.accuracy.status in {"worse", "failing"} or self.speed.status == "slower"


@dataclass(frozen=True)
class Comparison:
    """All lines, and what only one side has."""

    lines: tuple[Line, ...]
    only_base: tuple[Names, ...]
    only_head: tuple[Names, ...]
    gates: Gates

    @property
    def regressed(self) -> bool:
        """Whether any line is."""
        return any(line.regressed for line in self.lines)

    @property
    def undecided(self) -> bool:
        """Whether no line could be decided at all, in accuracy or speed."""
        return all(
            line.accuracy.status in {"too few", "marked"}
            and line.speed.status in {"unlike", "not measured"}
            for line in self.lines
        )


def compare(
    base: Mapping[Names, Measured],
    head: Mapping[Names, Measured],
    gates: Gates,
    *,
    use_wilcoxon: bool = False,
) -> Comparison:
    """Hold `head` against `base`.

    Raises
    ------
    NothingComparableError
        They share no combination, or no unit of one and none fails that did not.
    """
    common = [names for names in base if names in head and _related(base[names], head[names])]
    if not common:
        raise NothingComparableError(
            "base and head share no combination with a common animal",
            "run the same plugins on the same protocol",
        )
    test = wilcoxon_p if use_wilcoxon else permutation_p
    pairs = [_paired(base[names], head[names]) for names in common]
    lower = holm([test(after - before) for before, after in pairs])
    upper = holm([test(before - after) for before, after in pairs])
    lines = [
        Line(
            names,
            base[names].metric,
            head[names].unit,
            _accuracy((base[names], head[names]), pair, (down, up), gates, len(common)),
            _speed_of_like(base[names], head[names], gates),
        )
        for names, pair, down, up in zip(common, pairs, lower, upper, strict=True)
    ]
    only_base = tuple(names for names in base if names not in head)
    only_head = tuple(names for names in head if names not in base)
    return Comparison(tuple(lines), only_base, only_head, gates)


def _related(base: Measured, head: Measured) -> bool:
    """Say whether there is anything to compare: a common unit, or new failures."""
    return bool(base.by_unit.keys() & head.by_unit.keys()) or head.n_failed > base.n_failed


def _paired(base: Measured, head: Measured) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    units = sorted(base.by_unit.keys() & head.by_unit.keys())
    # A baseline file holds rounded scores: round both sides alike.
    before = np.array([base.by_unit[unit] for unit in units]).round(DIGITS)
    return before, np.array([head.by_unit[unit] for unit in units]).round(DIGITS)


def _accuracy(
    sides: tuple[Measured, Measured],
    pair: tuple[NDArray[np.float64], NDArray[np.float64]],
    p: tuple[float, float],
    gates: Gates,
    questions: int,
) -> AccuracyVerdict:
    base, head = sides
    before, after = pair
    difference = _mean(after - before)
    change = difference or 0.0
    needed = least_units(gates.alpha, questions)
    status: AccuracyStatus = "ok"
    if base.oracle or head.oracle or base.contaminated or head.contaminated:
        status = "marked"
    elif head.n_failed > base.n_failed:
        status = "failing"
    elif len(before) < needed:
        status = "too few"
    elif change < gates.accuracy and p[0] < gates.alpha:
        status = "worse"
    elif change > 0 and p[1] < gates.alpha:
        status = "better"
    return AccuracyVerdict(
        status,
        _mean(before),
        _mean(after),
        difference,
        len(before),
        needed,
        p[0] if change < 0 else p[1],
    )


def _mean(values: NDArray[np.float64]) -> float | None:
    return float(values.mean()) if len(values) else None


def _speed_of_like(base: Measured, head: Measured, gates: Gates) -> SpeedVerdict:
    """Judge the speed where the same backends computed both sides, as far as they are known."""
    found = _speed(base.speed, head.speed, gates)
    differing = unlike(base.computed_by, head.computed_by)
    if not differing or found.status == "not measured":
        return found
    return replace(found, status="unlike", unlike=differing)


def _speed(base: Speed | None, head: Speed | None, gates: Gates) -> SpeedVerdict:
    if base is None or head is None:
        return SpeedVerdict("not measured")
    before, after = base.beside(), head.beside()
    common = [name for name in before if name in after]
    if not common:
        return SpeedVerdict("not measured", base.seconds, head.seconds)
    middle = [after[name][1] / before[name][1] for name in common]
    quick = [after[name][0] / before[name][1] for name in common]
    return SpeedVerdict(
        _speed_status(min(quick), max(middle), gates.seconds),
        base.seconds,
        head.seconds,
        float(np.median(middle)),
        min(middle),
        max(middle),
    )


def _speed_status(quick: float, most: float, gate: float) -> SpeedStatus:
    """Judge by the smallest ratio of the quicker rounds and the largest of the medians.

    A slowdown counts where even the lower quartile of head's rounds is beyond the gate beside every
    reference; there is none where the median is within the gate beside every one.
    """
    if quick > gate:
        return "slower"
    if most > gate:
        return "unsure"
    return "faster" if most < 1 / gate else "ok"
