"""Runs jobs one after another in this process: for debugging, and where plugins are trusted."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from trackbench.benchmarks.cell import execute
from trackbench.benchmarks.executors import Answer
from trackbench.benchmarks.guard import guarded
from trackbench.benchmarks.stages import StageCache
from trackbench.benchmarks.threads import pin_threads
from trackbench.benchmarks.workbench import Workbench

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from trackbench.benchmarks.plan import Job
    from trackbench.core.registry import Registry

__all__ = ["InProcessExecutor"]


@dataclass(frozen=True)
class InProcessExecutor:
    """Runs jobs here. Nothing can be killed: a plugin that hangs hangs the run.

    Parameters
    ----------
    registry : Registry
    """

    registry: Registry

    def run(self, jobs: Iterable[Job], stages: Path | None) -> Iterator[Answer]:
        """Run jobs in order."""
        pin_threads(1)
        bench: Workbench | None = None
        for job in jobs:
            bench = bench or Workbench(self.registry, StageCache(stages), job.seed)
            yield Answer(job, guarded("job", partial(execute, job, bench)))
