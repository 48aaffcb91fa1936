"""The plan: every combination on every chunk of every protocol, in a fixed order."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from trackbench.benchmarks.backends import backends_of
from trackbench.benchmarks.chunk import Chunk, chunked
from trackbench.benchmarks.combination import GIVEN_POINTS, SCHEMA, Combination, identity
from trackbench.core.keys import content_key
from trackbench.core.plugin import Labeler
from trackbench.core.spec import Spec

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from trackbench.benchmarks.tasks import Task
    from trackbench.core.registry import Registry

__all__ = [
    "Cell",
    "Job",
    "Part",
    "Plan",
    "Request",
    "cell_key",
    "make_plan",
    "reference_combination",
]


@dataclass(frozen=True)
class Request:
    """What a user asks for: the product of these plugins.

    Parameters
    ----------
    segmenters : tuple of Spec
        `GIVEN_POINTS` stands for the points that a dataset gives.
    matchers : tuple of Spec
    labelers : tuple of tuples of Spec
        Each a sum; empty for the default labeler of each protocol.
    seed : int
    """

    segmenters: tuple[Spec, ...]
    matchers: tuple[Spec, ...]
    labelers: tuple[tuple[Spec, ...], ...]
    seed: int = 0


@dataclass(frozen=True)
class Cell:
    """A combination on one chunk: the unit of the store."""

    key: str
    combination: Combination


@dataclass(frozen=True)
class Job:
    """Cells that share a segmenter, a matcher and a chunk: the unit of an executor.

    The matcher runs once for all of them. A job can be pickled and needs no files.

    Parameters
    ----------
    cells : tuple of Cell
        At least one.
    chunk : Chunk
    seed : int
    segment_only : bool
        Whether to stop after the segmenter, whose output is kept for all matchers.
    """

    cells: tuple[Cell, ...]
    chunk: Chunk
    seed: int
    segment_only: bool = False

    @property
    def key(self) -> str:
        """Key of the job: that of its cells."""
        return content_key(*[cell.key for cell in self.cells])

    @property
    def segment_key(self) -> tuple[str, str]:
        """What the segmenter's output depends on: its identity and the chunk."""
        return self.cells[0].combination.segmenter_key, self.chunk.key


@dataclass(frozen=True)
class Part:
    """One protocol of a plan: its cases in chunks, and what runs on them."""

    task: Task
    chunks: tuple[Chunk, ...]
    combinations: tuple[Combination, ...]


@dataclass(frozen=True)
class Plan:
    """All parts, the seed, and what was left out because its data isn't here."""

    parts: tuple[Part, ...]
    seed: int
    left_out: tuple[str, ...] = ()

    def jobs(self) -> Iterator[Job]:
        """Give the jobs chunk by chunk, so that early results compare combinations."""
        for part in self.parts:
            for chunk in part.chunks:
                for group in _sharing_a_match(part.combinations):
                    cells = tuple(Cell(cell_key(item.key, chunk.key), item) for item in group)
                    yield Job(cells, chunk, self.seed)

    @property
    def n_cells(self) -> int:
        """How many cells the plan has."""
        return sum(len(part.chunks) * len(part.combinations) for part in self.parts)

    @property
    def n_rows(self) -> int:
        """How many rows the plan has: one a case and combination."""
        return sum(len(part.task.cases) * len(part.combinations) for part in self.parts)

    @property
    def n_stage_runs(self) -> int:
        """How many stage runs the plan costs: S + S·M + S·M·L, on each chunk."""
        return sum(len(part.chunks) * _stages(part.combinations) for part in self.parts)


def cell_key(combination_key: str, chunk_key: str) -> str:
    """Key of a cell: schema, way and cases."""
    return content_key(SCHEMA, combination_key, chunk_key)


def make_plan(registry: Registry, request: Request, tasks: Sequence[Task]) -> Plan:
    """Multiply plugins out on every task.

    Raises
    ------
    UsageError
        An unknown plugin or parameter: nothing has run by then.
    """
    parts = []
    for task in tasks:
        labelers = request.labelers or (task.default_labeler(registry),)
        ways = _combinations(registry, request, labelers)
        parts.append(Part(task, chunked(task.cases), ways))
    return Plan(tuple(parts), request.seed)


def reference_combination(registry: Registry, seed: int) -> Combination | None:
    """Give the speed control, `nearest` with `transfer`; None where it is blocked."""
    if "nearest" not in registry.matchers() or "transfer" not in registry.labelers():
        return None
    given, nearest, transfer = Spec(GIVEN_POINTS), Spec("nearest"), (Spec("transfer"),)
    return _combination(registry, seed, given, nearest, transfer)


def _combinations(
    registry: Registry, request: Request, labelers: Sequence[tuple[Spec, ...]]
) -> tuple[Combination, ...]:
    found: dict[Combination, None] = {}
    for segmenter in request.segmenters:
        for matcher in request.matchers:
            for total in labelers:
                found[_combination(registry, request.seed, segmenter, matcher, total)] = None
    return tuple(found)


def _combination(
    registry: Registry, seed: int, segmenter: Spec, matcher: Spec, labelers: tuple[Spec, ...]
) -> Combination:
    given = segmenter.name == GIVEN_POINTS
    makers = [registry.create("labeler", spec, seed) for spec in labelers]
    matched = any(isinstance(maker, Labeler) and maker.uses_matches for maker in makers)

    def key(kind: str, spec: Spec) -> str:
        return identity(registry, kind, registry.create(kind, spec, seed))

    made = Combination(
        segmenter=None if given else segmenter,
        matcher=matcher if matched else None,
        labelers=labelers,
        segmenter_key="" if given else key("segmenter", segmenter),
        matcher_key=key("matcher", matcher) if matched else "",
        labeler_keys=tuple(identity(registry, "labeler", maker) for maker in makers),
    )
    return replace(made, computed_by=tuple(backends_of(registry, made.plugins).items()))


def _sharing_a_match(combinations: Sequence[Combination]) -> list[list[Combination]]:
    groups: dict[str, list[Combination]] = {}
    for item in combinations:
        groups.setdefault(item.match_key, []).append(item)
    return list(groups.values())


def _stages(combinations: Sequence[Combination]) -> int:
    segmenters = {item.segmenter_key for item in combinations if item.segmenter is not None}
    matches = {item.match_key for item in combinations if item.matcher is not None}
    return len(segmenters) + len(matches) + len(combinations)
