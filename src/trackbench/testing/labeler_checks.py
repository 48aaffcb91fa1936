"""Checks for labelers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from trackbench.core.keys import content_key
from trackbench.core.pipeline import fit_labelers, label_test
from trackbench.core.types import Match, PointCloud
from trackbench.testing import process_checks
from trackbench.testing.cases import STANDARD_CASES, toy_recording

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from trackbench.core.plugin import Plugin
    from trackbench.core.types import Evidence, Labels

__all__ = ["CHECKS"]

TOLERANCE: Final = 2e-3
ROWS: Final = 40


def _references() -> tuple[PointCloud, ...]:
    return toy_recording(60, 3, seed=7)


def _true_match(template: PointCloud, test: PointCloud, truth: tuple[str, ...]) -> Match:
    column = {name: j for j, name in enumerate(template.names or ())}
    pairs = [(i, column[name]) for i, name in enumerate(truth) if name in column]
    return Match.from_pairs(pairs, len(test), len(template), template.id, test.id)


def _label(
    cls: type[Plugin[Any]], test: PointCloud, truth: tuple[str, ...]
) -> tuple[Labels, Evidence]:
    references = _references()
    labeler: Any = cls()
    matches = [_true_match(template, test, truth) for template in references]
    return label_test(
        fit_labelers([labeler], references), test, matches if labeler.uses_matches else ()
    )


def check_standard_cases(cls: type[Plugin[Any]]) -> None:
    """No neuron, one neuron, a part of a worm: a valid table each time."""
    for name in ("empty_test", "one_point", "dropped"):
        case = STANDARD_CASES[name]
        try:
            labels, _ = _label(cls, case.test, case.truth)
        except Exception as error:
            raise AssertionError(f"case {name}: {type(error).__name__}: {error}") from error
        assert len(labels.names) == len(case.test)


def check_deterministic(cls: type[Plugin[Any]]) -> None:
    """Two instances with one seed give the same table to the last digit."""
    case = STANDARD_CASES["dropped"]
    one, other = (_label(cls, case.test, case.truth)[1].log_p for _ in range(2))
    assert np.array_equal(one, other), "two runs differ"


def check_inputs_unchanged(cls: type[Plugin[Any]]) -> None:
    """The cloud that went in is the same afterwards."""
    case = STANDARD_CASES["dropped"]
    before = content_key(case.test)
    _label(cls, case.test, case.truth)
    assert content_key(case.test) == before, "an input was changed"


def check_permutation(cls: type[Plugin[Any]]) -> None:
    """The order of a test's rows doesn't matter."""
    case = STANDARD_CASES["dropped"]
    rows = np.arange(len(case.test))[::-1]
    plain = _label(cls, case.test, case.truth)[1]
    turned = _label(cls, case.test.take(rows), tuple(case.truth[i] for i in rows))[1]
    assert plain.names == turned.names, "another order of rows changes the names"
    worst = float(np.abs(np.exp(plain.log_p[rows]) - np.exp(turned.log_p)).max())
    assert worst <= TOLERANCE, f"another order of rows changes a probability by {worst:.3g}"


def check_spawn_and_kill(cls: type[Plugin[Any]]) -> None:
    """A new process gives the same table, after another was killed at its work."""
    process_checks.check_spawn_and_kill(cls, _dropped_answer)


def _dropped_answer(cls: type[Plugin[Any]]) -> NDArray[np.float64]:
    case = STANDARD_CASES["dropped"]
    return np.exp(_label(cls, case.test, case.truth)[1].log_p.astype(np.float64))


CHECKS: Final[tuple[Callable[[type[Plugin[Any]]], None], ...]] = (
    check_standard_cases,
    check_deterministic,
    check_inputs_unchanged,
    check_permutation,
    check_spawn_and_kill,
)
