"""Runs one job: segment, match, label, and a row for every case whatever happens on the way."""

from __future__ import annotations

import traceback
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from trackbench.benchmarks.predict import predict
from trackbench.benchmarks.record import (
    CONTAMINATED,
    FAILED,
    OK,
    OUT_OF_MEMORY,
    SKIPPED,
    CellRecord,
    Failure,
    Row,
)
from trackbench.benchmarks.segmented import carry_truth
from trackbench.core.keys import animal_key, content_key
from trackbench.core.pipeline import label_test, match_batch, reason_to_skip, view

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from trackbench.benchmarks.combination import Combination
    from trackbench.benchmarks.plan import Job
    from trackbench.benchmarks.workbench import Workbench
    from trackbench.core.plugin import Labeler, Matcher, Plugin, Segmenter
    from trackbench.core.types import Case, Match, PointCloud

__all__ = ["execute", "failed_record", "segment_chunk"]

T = TypeVar("T")


@dataclass(frozen=True)
class _Input:
    """A case as the matcher sees it, and the true names that a segmenter missed."""

    case: Case
    missed: tuple[str, ...] = ()


def execute(job: Job, bench: Workbench) -> tuple[CellRecord, ...]:
    """Run all cells of a job; its matcher runs once.

    An exception of a plugin costs the case that it was thrown for: a batch that fails is run
    again case by case.
    """
    if job.segment_only:
        segment_chunk(job, bench)
        return ()
    inputs = _segment(job, bench)
    matches = _match(job, bench, inputs)
    return tuple(
        CellRecord(cell.key, _label(cell.combination, bench, job.chunk.cases, inputs, matches))
        for cell in job.cells
    )


def failed_record(key: str, cases: Sequence[Case], failure: Failure) -> CellRecord:
    """Make the rows of a cell whose worker didn't answer."""
    return CellRecord(key, tuple(_row(case, failure) for case in cases))


def segment_chunk(job: Job, bench: Workbench) -> list[PointCloud | Failure]:
    """Segment the volumes of a chunk, or give what is kept of that."""
    way = job.cells[0].combination
    if way.segmenter is None:
        return [case.test for case in job.chunk.cases]
    segmenter = bench.segmenter(way.segmenter, way.segmenter_key)
    key = content_key("segment", way.segmenter_key, job.chunk.key)
    kept = bench.stages.clouds(key)
    if kept is not None:
        return list(kept)
    found = [_segment_case(segmenter, case) for case in job.chunk.cases]
    clouds = [item for item in found if not isinstance(item, Failure)]
    if len(clouds) == len(found):
        bench.stages.keep_clouds(key, clouds)
    return found


def _segment_case(segmenter: Segmenter[Any], case: Case) -> PointCloud | Failure:
    reason = reason_to_skip(segmenter, case)
    volume = case.volume
    if reason is not None or volume is None:
        return Failure(SKIPPED, f"{segmenter.name}: {reason or 'needs images'}")
    return _guarded(segmenter.name, lambda: segmenter.segment(volume))


def _segment(job: Job, bench: Workbench) -> list[_Input | Failure]:
    if job.cells[0].combination.segmenter is None:
        return [_Input(case) for case in job.chunk.cases]
    clouds = segment_chunk(job, bench)
    return [
        cloud if isinstance(cloud, Failure) else _Input(*carry_truth(case, cloud))
        for case, cloud in zip(job.chunk.cases, clouds, strict=True)
    ]


def _match(
    job: Job, bench: Workbench, inputs: Sequence[_Input | Failure]
) -> list[list[Match] | Failure]:
    way = job.cells[0].combination
    if way.matcher is None:
        return [item if isinstance(item, Failure) else [] for item in inputs]
    key = content_key("match", way.match_key, job.chunk.key)
    cases = [item.case for item in inputs if isinstance(item, _Input)]
    whole = len(cases) == len(inputs)
    kept = bench.stages.matches(key, cases) if whole else None
    if kept is not None:
        return list(kept)
    matcher = bench.matcher(way.matcher, way.matcher_key)
    found = iter(_match_cases(matcher, bench, cases))
    result = [item if isinstance(item, Failure) else next(found) for item in inputs]
    matched = [item for item in result if not isinstance(item, Failure)]
    if len(matched) == len(result):
        bench.stages.keep_matches(key, matched)
    return result


def _match_cases(
    matcher: Matcher[Any], bench: Workbench, cases: Sequence[Case]
) -> list[list[Match] | Failure]:
    reasons = [reason_to_skip(matcher, case) for case in cases]
    tests = [_seen_test(matcher, case) for case in cases]
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
    result: list[list[Match] | Failure] = []
    for i, (case, reason) in enumerate(zip(cases, reasons, strict=True)):
        if reason is not None:
            result.append(Failure(SKIPPED, f"{matcher.name}: {reason}"))
        else:
            result.append(_all_or_failure([found[i, id(item)] for item in case.templates]))
    return result


def _match_template(
    matcher: Matcher[Any], bench: Workbench, template: PointCloud, tests: list[PointCloud]
) -> Sequence[Match | Failure]:
    def run(batch: list[PointCloud]) -> list[Match] | Failure:
        return _guarded(
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


def _seen_test(matcher: Matcher[Any], case: Case) -> PointCloud:
    names = case.truth.names if "truth" in matcher.requires else None
    return view(matcher, case.test, names)


def _label(
    way: Combination,
    bench: Workbench,
    cases: Sequence[Case],
    inputs: Sequence[_Input | Failure],
    matches: Sequence[list[Match] | Failure],
) -> tuple[Row, ...]:
    pairs = zip(way.labelers, way.labeler_keys, strict=True)
    labelers = [bench.labeler(spec, key) for spec, key in pairs]
    plugins: list[Plugin[Any]] = [*labelers]
    if way.matcher is not None:
        plugins.append(bench.matcher(way.matcher, way.matcher_key))
    if way.segmenter is not None:
        plugins.append(bench.segmenter(way.segmenter, way.segmenter_key))
    return tuple(
        _label_case(plugins, labelers, bench, case, item, found)
        for case, item, found in zip(cases, inputs, matches, strict=True)
    )


def _label_case(
    plugins: Sequence[Plugin[Any]],
    labelers: Sequence[Labeler[Any]],
    bench: Workbench,
    case: Case,
    item: _Input | Failure,
    matches: list[Match] | Failure,
) -> Row:
    oracle = case.oracle or any("truth" in plugin.requires for plugin in plugins)
    if isinstance(item, Failure):
        return _row(case, item, oracle=oracle)
    if isinstance(matches, Failure):
        return _row(case, matches, oracle=oracle)
    for labeler in labelers:
        reason = reason_to_skip(labeler, item.case)
        if reason is not None:
            return _row(case, Failure(SKIPPED, f"{labeler.name}: {reason}"), oracle=oracle)

    def run() -> Row:
        fitted = bench.fitted(labelers, item.case.templates)
        labels, evidence = label_test(fitted, item.case.test, matches)
        status = CONTAMINATED if _saw(plugins, case) else OK
        prediction = predict(item.case, labels, evidence, item.missed)
        return _row(case, Failure(status, ""), oracle=oracle, prediction=prediction)

    row = _guarded("+".join(item.name for item in labelers), run)
    return _row(case, row, oracle=oracle) if isinstance(row, Failure) else row


def _saw(plugins: Sequence[Plugin[Any]], case: Case) -> bool:
    seen = frozenset().union(*[plugin.trained_on for plugin in plugins])
    return bool(seen) and animal_key(case.test.zyx_um) in seen


def _row(case: Case, outcome: Failure, **more: Any) -> Row:
    return Row(
        case=case.id,
        animal=case.animal,
        group=case.group,
        status=outcome.status,
        reason=outcome.reason,
        log=outcome.log,
        notes=case.notes,
        n_points=len(case.test),
        n_templates=len(case.templates),
        **{"oracle": case.oracle} | more,
    )


def _guarded(who: str, run: Callable[[], T]) -> T | Failure:
    try:
        return run()
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # noqa: BLE001  a plugin's own code may throw anything
        what = " ".join(f"{who}: {type(error).__name__}: {error}".split())
        full = isinstance(error, MemoryError) or "can't allocate memory" in str(error)
        log = "".join(traceback.format_exception(error))
        return Failure(OUT_OF_MEMORY if full else FAILED, what, log)
