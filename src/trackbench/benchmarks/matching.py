"""The match stage of a chunk: each template is prepared once and meets its tests in one batch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from trackbench.benchmarks.guard import guarded
from trackbench.benchmarks.record import SKIPPED, Failure
from trackbench.core.pipeline import match_batch, reason_to_skip, view

if TYPE_CHECKING:
    from collections.abc import Sequence

    from trackbench.benchmarks.workbench import Workbench
    from trackbench.core.plugin import Matcher
    from trackbench.core.types import Case, Match, PointCloud

__all__ = ["match_cases", "seen_test"]


def match_cases(
    matcher: Matcher[Any], bench: Workbench, cases: Sequence[Case]
) -> list[list[Match] | Failure]:
    """Match every case to all of its templates.

    A batch that fails is run again test by test, so that a failure costs one case.

    Returns
    -------
    list
        For each case its matches in the order of its templates, or why there are none.
    """
    reasons = [reason_to_skip(matcher, case) for case in cases]
    tests = [seen_test(matcher, case) for case in cases]
    wanted: dict[int, list[int]] = {}
    templates: dict[int, PointCloud] = {}
    for i, case in enumerate(cases):
        for template in case.templates if reasons[i] is None else ():
            templates[id(template)] = template
            wanted.setdefault(id(template), []).append(i)
    found: dict[tuple[int, int], Match | Failure] = {}
    for number, index in wanted.items():
        batch = [tests[i] for i in index]
        answers = _match_template(matcher, bench, templates[number], batch)
        found |= {(i, number): answer for i, answer in zip(index, answers, strict=True)}
    return [
        Failure(SKIPPED, f"{matcher.name}: {reason}")
        if reason is not None
        else _all_or_failure([found[i, id(template)] for template in case.templates])
        for i, (case, reason) in enumerate(zip(cases, reasons, strict=True))
    ]


def seen_test(matcher: Matcher[Any], case: Case) -> PointCloud:
    """Give a test as a matcher may see it: with names for an oracle alone."""
    names = case.truth.names if "truth" in matcher.requires else None
    return view(matcher, case.test, names)


def _match_template(
    matcher: Matcher[Any], bench: Workbench, template: PointCloud, tests: list[PointCloud]
) -> Sequence[Match | Failure]:
    def run(batch: list[PointCloud]) -> list[Match] | Failure:
        return guarded(
            matcher.name,
            lambda: match_batch(matcher, bench.prepared(matcher, template), template, batch),
        )

    answer = run(tests)
    if not isinstance(answer, Failure):
        return answer
    if len(tests) == 1:
        return [answer]
    alone = [run([test]) for test in tests]
    return [item if isinstance(item, Failure) else item[0] for item in alone]


def _all_or_failure(items: Sequence[Match | Failure]) -> list[Match] | Failure:
    matches = []
    for item in items:
        if isinstance(item, Failure):
            return item
        matches.append(item)
    return matches
