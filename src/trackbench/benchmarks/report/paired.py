"""Tests between methods on the cases that both have."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from trackbench.benchmarks.compare.statistics import holm, permutation_p

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from trackbench.benchmarks.report.rows import Cases
    from trackbench.benchmarks.report.sections import Entry, Section

__all__ = ["COMPARED", "Pair", "pairs"]

COMPARED: Final = 6
"""Methods of a protocol that are tested against each other."""


@dataclass(frozen=True)
class Pair:
    """Two methods on the cases that both have.

    Parameters
    ----------
    first, second : Entry
    n_cases, n_animals : int
        That both have.
    difference : float
        Mean of the cases, first minus second.
    better, equal, worse : int
        Cases in which the first is better than, as good as, worse than the second.
    wilcoxon : float
        Wilcoxon's signed-rank test over cases, two-sided, as Yu et al. 2021 report it. It takes
        cases for independent, which cases that share an animal or a template are not.
    permutation : float or None
        Permutation test over animals (signs of their mean differences are flipped), two-sided;
        None where there is one animal.
    """

    first: Entry
    second: Entry
    n_cases: int
    n_animals: int
    difference: float
    better: int
    equal: int
    worse: int
    wilcoxon: float
    permutation: float | None


def pairs(section: Section) -> list[Pair]:
    """Test the best methods against each other, p-values adjusted by Holm over the pairs.

    Methods that knew of the true names or saw a test animal are left out.
    """
    entries = [entry for entry in section.drawn if entry.quotable and entry.cases is not None]
    found = [
        pair
        for first, second in itertools.combinations(entries[:COMPARED], 2)
        if (pair := _pair(first, second)) is not None
    ]
    return _adjusted(found)


def _pair(first: Entry, second: Entry) -> Pair | None:
    if first.cases is None or second.cases is None:
        return None
    difference, animals = _differences(first.cases, second.cases)
    if not len(difference):
        return None
    names, index = np.unique(animals, return_inverse=True)
    by_animal = np.bincount(index, difference) / np.bincount(index)
    return Pair(
        first,
        second,
        len(difference),
        len(names),
        float(difference.mean()),
        int((difference > 0).sum()),
        int((difference == 0).sum()),
        int((difference < 0).sum()),
        _wilcoxon(difference),
        _permutation(by_animal) if len(names) > 1 else None,
    )


def _differences(first: Cases, second: Cases) -> tuple[NDArray[np.float64], list[str]]:
    """Give first minus second for each case that both have, and its animal."""
    values = dict(zip(second.ids, second.values, strict=True))
    common = [
        (value - values[case], str(animal))
        for case, animal, value in zip(first.ids, first.animals, first.values, strict=True)
        if case in values
    ]
    return np.array([change for change, _ in common]).round(12), [animal for _, animal in common]


def _wilcoxon(difference: NDArray[np.float64]) -> float:
    from scipy.stats import wilcoxon

    return float(wilcoxon(difference).pvalue) if np.any(difference) else 1.0


def _permutation(difference: NDArray[np.float64]) -> float:
    return min(1.0, 2 * min(permutation_p(difference), permutation_p(-difference)))


def _adjusted(found: Sequence[Pair]) -> list[Pair]:
    by_cases = holm([pair.wilcoxon for pair in found])
    tested = [pair.permutation for pair in found if pair.permutation is not None]
    by_animals = iter(holm(tested))
    return [
        replace(
            pair,
            wilcoxon=p,
            permutation=None if pair.permutation is None else next(by_animals),
        )
        for pair, p in zip(found, by_cases, strict=True)
    ]
