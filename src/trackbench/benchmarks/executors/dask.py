"""Runs jobs on the workers of a Dask cluster; one that dies costs its job."""

from __future__ import annotations

import logging
import uuid
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from trackbench.benchmarks.executors import Answer
from trackbench.benchmarks.executors.dask_worker import (
    Errand,
    Refusal,
    pass_on,
    run_errand,
    stop_children,
)
from trackbench.benchmarks.executors.likeness import likeness, plugins_of
from trackbench.benchmarks.executors.shipping import emptied, found_on_disk
from trackbench.benchmarks.record import CRASHED, Failure
from trackbench.errors import ClusterError, InputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from distributed import Client, Future

    from trackbench.benchmarks.executors import Limits
    from trackbench.benchmarks.executors.shipping import Origin
    from trackbench.benchmarks.plan import Job
    from trackbench.core.registry import Registry

__all__ = ["BACKLOG", "DaskExecutor"]

BACKLOG: Final = 256
"""Jobs that a scheduler is given beyond what its workers can start: an adaptive cluster grows by
them."""

Outcome = Any
"""What a worker answers: records, a `Failure` or a `Refusal`."""


class DaskExecutor:
    """Runs jobs on the workers of a Dask cluster, each in a child that can be killed.

    A job whose worker dies (not its child, of which the worker knows what became) is started again
    elsewhere. One that Dask gives up, since too many workers died with it, waits until all
    others are done and has one more try, alone: if its worker dies again, it is to blame.

    Parameters
    ----------
    client : distributed.Client
    registry : Registry
        What the workers are held against.
    limits : Limits
    backlog : int
        Jobs that are handed over before the first has ended.
    origins : mapping of str to Origin
        Chunks, by key, that a worker tries to read from disk before they are sent.
    """

    def __init__(
        self,
        client: Client,
        registry: Registry,
        limits: Limits,
        *,
        backlog: int = BACKLOG,
        origins: Mapping[str, Origin] | None = None,
    ) -> None:
        self._client = client
        self._registry = registry
        self._limits = limits
        self._backlog = backlog
        self._origins = dict(origins or {})
        self._run = uuid.uuid4().hex
        self._number = 0
        self._known: dict[tuple[tuple[str, str], ...], dict[str, str]] = {}

    def run(self, jobs: Iterable[Job], stages: Path | None) -> Iterator[Answer]:
        """Run jobs; give each answer as it comes.

        Raises
        ------
        ClusterError
            A worker would give other results than this machine, or the scheduler is gone.
        """
        suspects: list[Job] = []
        for job, outcome in self._outcomes(iter(jobs), stages):
            if outcome is None:
                suspects.append(job)
            else:
                yield Answer(job, outcome)
        for job, outcome in self._outcomes(iter(suspects), stages, alone=True):
            yield Answer(job, outcome or Failure(CRASHED, "its Dask worker died, twice"))

    def close(self) -> None:
        """Stop the children on all workers; the cluster itself stays as it is."""
        try:
            self._client.run(stop_children, self._run, on_error="ignore")
        except (OSError, ValueError):
            logging.getLogger(__name__).debug("the cluster went first", exc_info=True)

    def _outcomes(
        self, jobs: Iterator[Job], stages: Path | None, *, alone: bool = False
    ) -> Iterator[tuple[Job, Outcome]]:
        """Give each job with its outcome; None where Dask gave it up with its worker."""
        import distributed

        flight: dict[Future, Job] = {}
        ended = distributed.as_completed()
        again: list[Job] = []
        backlog = 1 if alone else self._backlog
        while True:
            for job in (*again, *islice(jobs, backlog - len(flight) - len(again))):
                future = self._submit(job, stages, alone=alone)
                flight[future] = job
                ended.add(future)
            again = []
            if not flight:
                return
            future = next(ended)
            job = flight.pop(future)
            try:
                yield job, self._outcome(future)
            except InputError:
                del self._origins[job.chunk.key]
                again = [job]

    def _submit(self, job: Job, stages: Path | None, *, alone: bool) -> Future:
        chunk = self._chunk(job, alone=alone)
        folder = "" if stages is None else str(stages.absolute())
        errand = Errand(self._run, self._limits, folder, self._likeness(job))
        self._number += 1
        key = f"trackbench-job-{self._run}-{self._number}"
        return self._client.submit(run_errand, emptied(job), chunk, errand, key=key, pure=False)

    def _likeness(self, job: Job) -> dict[str, str]:
        plugins = plugins_of(job.cells[0].combination)
        if plugins not in self._known:
            self._known[plugins] = likeness(self._registry, plugins)
        return self._known[plugins]

    def _chunk(self, job: Job, *, alone: bool) -> Future:
        """Give the cases as a task of the cluster; jobs in flight share it by content.

        A job that is tried alone has a task of its own: a shared one may have been given up with
        a worker that another job killed, and would take this job with it.
        """
        content = f"{job.chunk.key}-{self._number}" if alone else job.chunk.key
        origin = self._origins.get(job.chunk.key)
        if origin is not None:
            key = f"trackbench-read-{self._run}-{content}"
            return self._client.submit(found_on_disk, origin, job.chunk.key, key=key)
        key = f"trackbench-cases-{self._run}-{content}"
        return self._client.submit(pass_on, job.chunk, key=key)

    def _outcome(self, future: Future) -> Outcome:
        import distributed

        try:
            outcome = future.result()
        except distributed.KilledWorker:
            return None
        except (distributed.CancelledError, distributed.comm.core.CommClosedError) as error:
            raise ClusterError(
                "the Dask scheduler is gone", "start it, then run the same command again"
            ) from error
        except ImportError as error:
            raise ClusterError(
                f"a Dask worker can't import what it needs ({error})",
                "install trackbench and the plugins there, in the same versions",
            ) from error
        if isinstance(outcome, Refusal):
            raise ClusterError(
                f"the Dask worker at {outcome.worker} has {'; '.join(outcome.differences)}",
                "install the same versions there, or leave that worker out",
            )
        return outcome
