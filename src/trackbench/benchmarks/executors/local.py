"""Runs jobs in worker processes of this machine; one that hangs or dies costs its job."""

from __future__ import annotations

import multiprocessing
import signal
import tempfile
from concurrent.futures import FIRST_COMPLETED, Future, wait
from concurrent.futures import TimeoutError as JobTimeoutError
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pebble import ProcessExpired, ProcessPool

from trackbench.benchmarks.executors import Answer, Limits
from trackbench.benchmarks.executors.worker import run_job, start_worker
from trackbench.benchmarks.record import CRASHED, FAILED, TIMED_OUT, Failure

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from trackbench.benchmarks.plan import Job

__all__ = ["LocalExecutor"]

LOG_TAIL: Final = 8000


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
        context = multiprocessing.get_context("spawn")
        with tempfile.TemporaryDirectory(prefix="trackbench-") as logs:
            pool = ProcessPool(
                max_workers=self.workers,
                initializer=start_worker,
                initargs=(self.limits.memory_gib,),
                context=context,
            )
            try:
                yield from self._answers(pool, iter(jobs), stages, Path(logs))
            finally:
                pool.stop()
                pool.join()

    def _answers(
        self, pool: ProcessPool, jobs: Iterator[Job], stages: Path | None, logs: Path
    ) -> Iterator[Answer]:
        running: dict[Future[Any], tuple[Job, Path]] = {}
        number = 0
        while True:
            for job in islice(jobs, 2 * self.workers - len(running)):
                log = logs / f"{number}.log"
                number += 1
                future = pool.schedule(
                    run_job, args=(job, stages, log), timeout=self.limits.timeout_s
                )
                running[future] = (job, log)
            if not running:
                return
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                job, log = running.pop(future)
                yield Answer(job, self._outcome(future, log))
                log.unlink(missing_ok=True)

    def _outcome(self, future: Future[Any], log: Path) -> Any:
        try:
            return future.result()
        except JobTimeoutError:
            reason = f"no answer within {self.limits.timeout_s:g} s"
            return Failure(TIMED_OUT, reason, _tail(log))
        except ProcessExpired as error:
            return Failure(CRASHED, _death(error.exitcode), _tail(log))
        except Exception as error:  # noqa: BLE001  whatever a plugin does to its process
            reason = " ".join(f"{type(error).__name__}: {error}".split())
            return Failure(FAILED, reason, _tail(log))


def _death(exitcode: int) -> str:
    if exitcode >= 0:
        return f"the worker process exited with code {exitcode}"
    number = -exitcode
    try:
        name = signal.Signals(number).name
    except ValueError:
        name = f"signal {number}"
    more = "; the system kills so when memory runs out" if name == "SIGKILL" else ""
    return f"the worker process died of {name}{more}"


def _tail(log: Path) -> str:
    try:
        return log.read_bytes()[-LOG_TAIL:].decode(errors="replace")
    except OSError:
        return ""
