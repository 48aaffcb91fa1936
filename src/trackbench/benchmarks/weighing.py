"""Finds the weights by which the tables of several labelers are added."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, cast

import numpy as np
from scipy.optimize import minimize
from scipy.special import softmax

from trackbench.core.evidence import add, label, widen
from trackbench.core.pipeline import match_batch, view
from trackbench.core.spec import Spec
from trackbench.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from trackbench.core.plugin import Labeler, Matcher
    from trackbench.core.registry import Registry
    from trackbench.core.types import Case, Evidence, Match

    FloatArray = NDArray[np.float64]

__all__ = ["Weighing", "collect_tables", "weigh", "weighted_specs"]

LARGEST_WEIGHT: Final = 20.0


@dataclass(frozen=True)
class Weighing:
    """Weights and what they do to the cases that they were fitted on.

    Parameters
    ----------
    weights : tuple of float
        One a labeler.
    n_cases, n_neurons : int
        Of the fit.
    brier : tuple of float
        Mean squared distance of the pool from the truth with all weights 1, and fitted.
    m_test : tuple of float
        Share of neurons named correctly, likewise; mean over cases.
    """

    weights: tuple[float, ...]
    n_cases: int
    n_neurons: int
    brier: tuple[float, float]
    m_test: tuple[float, float]


def collect_tables(
    registry: Registry,
    labelers: Sequence[Spec],
    matcher: Spec | None,
    cases: Sequence[Case],
    seed: int = 0,
) -> list[list[Evidence]]:
    """Run labelers on cases: for each case the table of each labeler.

    Raises
    ------
    UsageError
        A labeler needs matches and there is no matcher.
    """
    made = [cast("Labeler[Any]", registry.create("labeler", spec, seed)) for spec in labelers]
    needy = [item.name for item in made if item.uses_matches]
    if needy and matcher is None:
        raise UsageError(f"{', '.join(needy)} needs matches", "name a matcher: --matcher cpd")
    engine = registry.create("matcher", matcher, seed) if matcher and needy else None
    fitted: dict[int, list[Any]] = {}
    tables = []
    for case in cases:
        if id(case.templates) not in fitted:
            fitted[id(case.templates)] = [item.fit(case.templates) for item in made]
        states = fitted[id(case.templates)]
        matches = [] if engine is None else _matches(cast("Matcher[Any]", engine), case)
        tables.append(
            [
                item.evidence(state, case.test, matches)
                for item, state in zip(made, states, strict=True)
            ]
        )
    return tables


def _matches(matcher: Matcher[Any], case: Case) -> list[Match]:
    found = []
    for template in case.templates:
        prepared = matcher.prepare(view(matcher, template, template.names))
        found += match_batch(matcher, prepared, template, [view(matcher, case.test, None)])
    return found


def weigh(tables: Sequence[Sequence[Evidence]], cases: Sequence[Case]) -> Weighing:
    """Find the weights by which the sum of tables says the truth best.

    The sum is a log-linear pool (Genest and Zidek 1986). Its Brier score (Brier 1950) over the
    named neurons of a case, mean over cases, is made smallest: a proper score, so the pool comes
    out calibrated, and a bounded one, so a labeler that fails wholly on one worm is not
    dismissed for it, as it would be by the logarithm.

    Parameters
    ----------
    tables : sequence over cases of sequences over labelers of Evidence
    cases : sequence of Case
        With their true names.
    """
    problems = [_problem(own, case) for own, case in zip(tables, cases, strict=True)]
    problems = [problem for problem in problems if problem[1].size]
    count = len(tables[0])
    equal = (1.0,) * count

    def objective(weights: FloatArray) -> tuple[float, FloatArray]:
        return _brier(weights, problems)

    bounds = [(0.0, LARGEST_WEIGHT)] * count
    starts = [np.full(count, 1.0 / count), *np.maximum(np.eye(count), 0.05)]
    found = min(
        (
            minimize(objective, start, jac=True, method="L-BFGS-B", bounds=bounds)
            for start in starts
        ),
        key=lambda result: float(result.fun),
    )
    weights = tuple(round(float(weight), 3) for weight in found.x)
    scores = [(objective(np.array(w))[0], _m_test(tables, cases, w)) for w in (equal, weights)]
    (before, test_before), (after, test_after) = scores
    neurons = sum(len(truth) for _, truth in problems)
    return Weighing(weights, len(problems), neurons, (before, after), (test_before, test_after))


def _problem(tables: Sequence[Evidence], case: Case) -> tuple[FloatArray, NDArray[np.intp]]:
    """Log-probabilities of the named neurons (labelers, n, k + 1), and their true columns."""
    names = tuple(dict.fromkeys(name for table in tables for name in table.names))
    column = {name: k for k, name in enumerate(names)}
    rows = [i for i, name in enumerate(case.truth.names) if name in column]
    truth = np.array([column[case.truth.names[i]] for i in rows], dtype=np.intp)
    return np.stack([widen(table, names)[rows] for table in tables]), truth


def _brier(
    weights: FloatArray, problems: Sequence[tuple[FloatArray, NDArray[np.intp]]]
) -> tuple[float, FloatArray]:
    """Mean squared distance of the pool from the truth, and its gradient."""
    value, slope = 0.0, np.zeros(len(weights))
    for log_p, truth in problems:
        p = softmax(np.tensordot(weights, log_p, axes=1), axis=1)
        off = p.copy()
        off[np.arange(len(truth)), truth] -= 1.0
        value += float(np.square(off).sum(axis=1).mean())
        pull = 2.0 * p * (off - (off * p).sum(axis=1, keepdims=True))
        slope += np.einsum("nk,lnk->l", pull, log_p) / len(truth)
    return value / len(problems), slope / len(problems)


def _m_test(
    tables: Sequence[Sequence[Evidence]], cases: Sequence[Case], weights: Sequence[float]
) -> float:
    shares = []
    for own, case in zip(tables, cases, strict=True):
        given = label(add(own, weights)).names
        pairs = list(zip(given, case.truth.names, strict=True))
        if any(case.truth.names):
            shares.append(np.mean([name == true for name, true in pairs if true]))
    return float(np.mean(shares))


def weighted_specs(labelers: Sequence[Spec], weights: Sequence[float]) -> str:
    """Write the sum with its weights as a user would; a labeler of weight 0 is left out."""
    terms = []
    for spec, weight in zip(labelers, weights, strict=True):
        kept = tuple(item for item in spec.parameters if item[0] != "weight")
        if weight > 0:
            terms.append(str(Spec(spec.name, (*kept, ("weight", f"{weight:g}")))))
    return "+".join(terms)
