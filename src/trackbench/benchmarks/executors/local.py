"""Runs jobs in worker processes of this machine; one that hangs or dies costs its job."""

from __future__ import annotations

from concurrent.futures import FIRST_COMPLETED, wait
from contextlib import closing
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any

from trackbench.benchmarks.executors import Answer, Limits
from trackbench.benchmarks.executors.pool import JobPool, Started

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from concurrent.futures import Future
    from pathlib import Path

    from trackbench.benchmarks.plan import Job

__all__ = ["LocalExecutor"]


@dataclass(frozen=True)
class LocalExecutor:
    """Runs jobs in worker processes.

    Parameters
    ----------
    workers : int
    limits : Limits
    """

    workers: int = 1
    limits: Limits = field(default_factory=Limits)

    def run(self, jobs: Iterable[Job], stages: Path | None) -> Iterator[Answer]:
        """Run jobs; at most two a worker are under way or waiting at any time."""
        waiting = iter(jobs)
        running: dict[Future[Any], Started] = {}
        with closing(JobPool(self.workers, self.limits)) as pool:
            while True:
                for job in islice(waiting, 2 * self.workers - len(running)):
                    started = pool.start(job, stages)
                    running[started.future] = started
                if not running:
                    return
                done, _ = wait(running, return_when=FIRST_COMPLETED)
                for future in done:
                    started = running.pop(future)
                    yield Answer(started.job, started.outcome())
