"""Checks for matchers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from trackbench.core.assignment import assign
from trackbench.core.keys import content_key
from trackbench.core.pipeline import match_batch, view
from trackbench.core.seeds import generator
from trackbench.core.types import PointCloud
from trackbench.testing import process_checks
from trackbench.testing.cases import STANDARD_CASES, StandardCase, rotated

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from trackbench.core.plugin import Plugin

__all__ = ["CHECKS", "accuracy", "match_case"]

TOLERANCE: Final = 2e-3
"""Allowed difference between probabilities that should be equal."""

CLEAR_MARGIN: Final = 0.2
"""Rows whose best candidate leads by this much must keep it under a change of pose."""


def match_case(cls: type[Plugin[Any]], case: StandardCase) -> NDArray[np.float64]:
    """Match a standard case with default parameters: probabilities (n_test, n_template + 1)."""
    return _match(cls, case.template, [(case.test, case.truth)])[0]


def accuracy(case: StandardCase, p: NDArray[np.float64]) -> float:
    """Share of the test neurons that have a partner and were assigned to it."""
    names = case.template.names or ()
    column = {name: j for j, name in enumerate(names) if name}
    pairs = [(i, column[name]) for i, name in enumerate(case.truth) if name in column]
    found = assign(np.log(np.maximum(p, 1e-30)))
    return float(np.mean([found[i] == j for i, j in pairs])) if pairs else 1.0


def _match(
    cls: type[Plugin[Any]], template: PointCloud, tests: list[tuple[PointCloud, tuple[str, ...]]]
) -> list[NDArray[np.float64]]:
    plugin: Any = cls()
    seen = view(plugin, template, template.names)
    clouds = [view(plugin, test, truth) for test, truth in tests]
    matches = match_batch(plugin, plugin.prepare(seen), seen, clouds)
    return [np.exp(match.log_p.astype(np.float64)) for match in matches]


def _same(one: NDArray[np.float64], other: NDArray[np.float64], what: str) -> None:
    worst = float(np.abs(one - other).max()) if one.size else 0.0
    assert worst <= TOLERANCE, f"{what} changes a probability by {worst:.3g}"


def check_standard_cases(cls: type[Plugin[Any]]) -> None:
    """Empty, single, collinear and coincident points give a valid table."""
    for case in STANDARD_CASES.values():
        try:
            match_case(cls, case)
        except Exception as error:
            raise AssertionError(f"case {case.name}: {type(error).__name__}: {error}") from error


def check_deterministic(cls: type[Plugin[Any]]) -> None:
    """Two instances with one seed give the same answer to the last digit."""
    case = STANDARD_CASES["moved"]
    one, other = match_case(cls, case), match_case(cls, case)
    assert np.array_equal(one, other), "two runs differ"


def check_inputs_unchanged(cls: type[Plugin[Any]]) -> None:
    """The clouds that went in are the same afterwards."""
    case = STANDARD_CASES["moved"]
    before = content_key(case.template, case.test)
    match_case(cls, case)
    assert content_key(case.template, case.test) == before, "an input was changed"


def check_permutation(cls: type[Plugin[Any]]) -> None:
    """The order of the rows of test and template doesn't matter."""
    case = STANDARD_CASES["dropped"]
    rng = generator("permutation")
    rows, columns = rng.permutation(len(case.test)), rng.permutation(len(case.template))
    truth = tuple(case.truth[i] for i in rows)
    (shuffled,) = _match(cls, case.template.take(columns), [(case.test.take(rows), truth)])
    expected = match_case(cls, case)[rows][:, np.append(columns, len(case.template))]
    _same(shuffled, expected, "another order of rows")


def check_batching(cls: type[Plugin[Any]]) -> None:
    """Tests matched together give what each gives alone, whatever their sizes."""
    cases = [STANDARD_CASES[name] for name in ("moved", "one_point", "dropped", "identical")]
    template = cases[0].template
    together = _match(cls, template, [(case.test, case.truth) for case in cases])
    for case, p in zip(cases, together, strict=True):
        _same(p, match_case(cls, case), f"batching {case.name} with others")


def check_translation(cls: type[Plugin[Any]]) -> None:
    """Moving the test as a whole doesn't change who is matched to whom."""
    case = STANDARD_CASES["moved"]
    _same_pairs(cls, case, case.test.zyx_um + np.array([7.0, -31.0, 52.0]), "a translation")


def check_rotation(cls: type[Plugin[Any]]) -> None:
    """Turning the test in the imaging plane by 30 degrees doesn't change who is matched."""
    case = STANDARD_CASES["moved"]
    _same_pairs(cls, case, rotated(case.test.zyx_um, 30.0), "a turn of 30 degrees")


def _same_pairs(
    cls: type[Plugin[Any]], case: StandardCase, zyx_um: NDArray[Any], what: str
) -> None:
    before = match_case(cls, case)
    moved = PointCloud(zyx_um, case.test.color, id=case.test.id, mirrored=case.test.mirrored)
    (after,) = _match(cls, case.template, [(moved, case.truth)])
    ranked = np.sort(before, axis=1)
    clear = ranked[:, -1] - ranked[:, -2] > CLEAR_MARGIN
    changed = int((before.argmax(axis=1) != after.argmax(axis=1))[clear].sum())
    assert changed == 0, f"{what} changes {changed} of {int(clear.sum())} clear matches"


def check_no_nan(cls: type[Plugin[Any]]) -> None:
    """Points far from the origin, all in one place and of one color give a valid table, no NaN."""
    case = STANDARD_CASES["moved"]
    flat = np.ones((len(case.test), 3))
    far = PointCloud(case.test.zyx_um + np.float32(1e5), flat, id="far")
    heap = PointCloud(np.zeros_like(case.test.zyx_um), flat, id="heap")
    for test in (far, heap):
        try:
            _match(cls, case.template, [(test, case.truth)])
        except Exception as error:
            raise AssertionError(f"test {test.id}: {type(error).__name__}: {error}") from error


def check_spawn_and_kill(cls: type[Plugin[Any]]) -> None:
    """A new process gives the same answer, after another was killed at its work."""
    process_checks.check_spawn_and_kill(cls, _moved_answer)


def _moved_answer(cls: type[Plugin[Any]]) -> NDArray[np.float64]:
    return match_case(cls, STANDARD_CASES["moved"])


def check_beats_random(cls: type[Plugin[Any]]) -> None:
    """A slightly moved worm is matched far better than by chance."""
    case = STANDARD_CASES["moved"]
    found = accuracy(case, match_case(cls, case))
    assert found > 0.2, f"{found:.0%} of the moved toy worm is right; chance is 2%"


CHECKS: Final[tuple[Callable[[type[Plugin[Any]]], None], ...]] = (
    check_standard_cases,
    check_deterministic,
    check_inputs_unchanged,
    check_permutation,
    check_batching,
    check_translation,
    check_rotation,
    check_no_nan,
    check_spawn_and_kill,
    check_beats_random,
)
