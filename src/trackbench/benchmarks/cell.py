"""Runs one job: segment, match, label, and a row for every case whatever happens on the way."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from trackbench.benchmarks.guard import guarded
from trackbench.benchmarks.matching import match_cases
from trackbench.benchmarks.metrics.detection import score_detection
from trackbench.benchmarks.predict import predict
from trackbench.benchmarks.record import CONTAMINATED, OK, SKIPPED, CellRecord, Failure, Row
from trackbench.benchmarks.segmented import carry_truth
from trackbench.core.keys import animal_key, content_key
from trackbench.core.pipeline import label_test, reason_to_skip

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from trackbench.benchmarks.combination import Combination
    from trackbench.benchmarks.plan import Job
    from trackbench.benchmarks.workbench import Workbench
    from trackbench.core.plugin import Labeler, Plugin, Segmenter
    from trackbench.core.types import Case, Match, PointCloud

__all__ = ["execute", "failed_record"]


@dataclass(frozen=True)
class _Input:
    """A case as the matcher sees it, the true names that a segmenter missed, and its scores."""

    case: Case
    missed: tuple[str, ...] = ()
    detection: Mapping[str, float | None] | None = None


def execute(job: Job, bench: Workbench) -> tuple[CellRecord, ...]:
    """Run all cells of a job; its matcher runs once.

    An exception of a plugin costs the case that it was thrown for.
    """
    inputs = _segment(job, bench)
    if job.segment_only:
        return ()
    matches = _match(job, bench, inputs)
    return tuple(
        CellRecord(cell.key, _Labeling(cell.combination, bench).rows(job, inputs, matches))
        for cell in job.cells
    )


def failed_record(key: str, cases: Sequence[Case], failure: Failure) -> CellRecord:
    """Make the rows of a cell whose worker didn't answer."""
    return CellRecord(key, tuple(_row(case, failure) for case in cases))


def _segment(job: Job, bench: Workbench) -> list[_Input | Failure]:
    way = job.cells[0].combination
    if way.segmenter is None:
        return [_Input(case) for case in job.chunk.cases]
    segmenter = bench.segmenter(way.segmenter, way.segmenter_key)
    clouds = _clouds(segmenter, bench, content_key("segment", job.segment_key), job.chunk.cases)
    return [
        cloud if isinstance(cloud, Failure) else _detected(case, cloud)
        for case, cloud in zip(job.chunk.cases, clouds, strict=True)
    ]


def _detected(case: Case, found: PointCloud) -> _Input:
    scores = score_detection(found.zyx_um, case.test.zyx_um, complete=case.truth.complete)
    return _Input(*carry_truth(case, found), scores)


def _clouds(
    segmenter: Segmenter[Any], bench: Workbench, key: str, cases: Sequence[Case]
) -> Sequence[PointCloud | Failure]:
    kept = bench.stages.clouds(key)
    if kept is not None:
        return kept
    found = [_segment_case(segmenter, case) for case in cases]
    clouds = [item for item in found if not isinstance(item, Failure)]
    if len(clouds) == len(found):
        bench.stages.keep_clouds(key, clouds)
    return found


def _segment_case(segmenter: Segmenter[Any], case: Case) -> PointCloud | Failure:
    reason = reason_to_skip(segmenter, case)
    volume = case.volume
    if reason is not None or volume is None:
        return Failure(SKIPPED, f"{segmenter.name}: {reason or 'needs images'}")
    return guarded(segmenter.name, lambda: segmenter.segment(volume))


def _match(
    job: Job, bench: Workbench, inputs: Sequence[_Input | Failure]
) -> list[list[Match] | Failure]:
    way = job.cells[0].combination
    if way.matcher is None:
        return [item if isinstance(item, Failure) else [] for item in inputs]
    key = content_key("match", way.match_key, job.chunk.key)
    cases = [item.case for item in inputs if isinstance(item, _Input)]
    kept = bench.stages.matches(key, cases) if len(cases) == len(inputs) else None
    if kept is not None:
        return list(kept)
    found = iter(match_cases(bench.matcher(way.matcher, way.matcher_key), bench, cases))
    result = [item if isinstance(item, Failure) else next(found) for item in inputs]
    matched = [item for item in result if not isinstance(item, Failure)]
    if len(matched) == len(result):
        bench.stages.keep_matches(key, matched)
    return result


class _Labeling:
    """The label stage of one combination."""

    def __init__(self, way: Combination, bench: Workbench) -> None:
        pairs = zip(way.labelers, way.labeler_keys, strict=True)
        self.bench = bench
        self.labelers: list[Labeler[Any]] = [bench.labeler(spec, key) for spec, key in pairs]
        self.plugins: list[Plugin[Any]] = [*self.labelers]
        if way.matcher is not None:
            self.plugins.append(bench.matcher(way.matcher, way.matcher_key))
        self.segmented = way.segmenter is not None
        if way.segmenter is not None:
            self.plugins.append(bench.segmenter(way.segmenter, way.segmenter_key))

    def rows(
        self,
        job: Job,
        inputs: Sequence[_Input | Failure],
        matches: Sequence[list[Match] | Failure],
    ) -> tuple[Row, ...]:
        """Make a row for every case."""
        triples = zip(job.chunk.cases, inputs, matches, strict=True)
        return tuple(self._case(case, item, found) for case, item, found in triples)

    def _case(self, case: Case, item: _Input | Failure, matches: list[Match] | Failure) -> Row:
        oracle = self._oracle(case)
        if isinstance(item, Failure):
            return _row(case, item, oracle=oracle)
        if isinstance(matches, Failure):
            return _row(case, matches, oracle=oracle)
        for labeler in self.labelers:
            reason = reason_to_skip(labeler, item.case)
            if reason is not None:
                return _row(case, Failure(SKIPPED, f"{labeler.name}: {reason}"), oracle=oracle)
        who = "+".join(labeler.name for labeler in self.labelers)
        row = guarded(who, lambda: self._scored(case, item, matches, oracle=oracle))
        return _row(case, row, oracle=oracle) if isinstance(row, Failure) else row

    def _oracle(self, case: Case) -> bool:
        """Say whether truth went in: through a plugin, or with points that no segmenter found."""
        given = case.oracle and not self.segmented
        return given or any("truth" in plugin.requires for plugin in self.plugins)

    def _scored(self, case: Case, item: _Input, matches: list[Match], *, oracle: bool) -> Row:
        fitted = self.bench.fitted(self.labelers, item.case.templates)
        labels, evidence = label_test(fitted, item.case.test, matches)
        outcome = Failure(CONTAMINATED if _saw(self.plugins, case) else OK, "")
        prediction = predict(item.case, labels, evidence, item.missed)
        return _row(case, outcome, oracle=oracle, prediction=prediction, detection=item.detection)


def _saw(plugins: Sequence[Plugin[Any]], case: Case) -> bool:
    seen: frozenset[str] = frozenset().union(*[plugin.trained_on for plugin in plugins])
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
