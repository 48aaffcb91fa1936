"""Child processes that run jobs: one that hangs, dies or eats the memory costs its job alone."""

from __future__ import annotations

import multiprocessing
import signal
import tempfile
from concurrent.futures import Future
from concurrent.futures import TimeoutError as JobTimeoutError
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pebble import ProcessExpired, ProcessPool

from trackbench.benchmarks.executors.worker import run_job, start_worker
from trackbench.benchmarks.record import CRASHED, FAILED, TIMED_OUT, Failure

if TYPE_CHECKING:
    from collections.abc import Callable

    from trackbench.benchmarks.executors import Limits
    from trackbench.benchmarks.plan import Job
    from trackbench.benchmarks.record import CellRecord

__all__ = ["JobPool", "Started"]

LOG_TAIL: Final = 8000


@dataclass(frozen=True, eq=False)
class Started:
    """A job under way in a child process.

    Parameters
    ----------
    job : Job
    future : Future
        Done when the child answers or dies.
    log : Path
        What the child prints.
    timeout_s : float
        Wall time in s after which the child is killed.
    """

    job: Job
    future: Future[Any]
    log: Path
    timeout_s: float

    def outcome(self) -> tuple[CellRecord, ...] | Failure:
        """Wait for the job: its records, or why there are none."""
        try:
            records: tuple[CellRecord, ...] = self.future.result()
        except JobTimeoutError:
            return self._failure(TIMED_OUT, f"no answer within {self.timeout_s:g} s")
        except ProcessExpired as error:
            return self._failure(CRASHED, _death(error.exitcode))
        except Exception as error:  # noqa: BLE001  whatever a plugin does to its process
            reason = " ".join(f"{type(error).__name__}: {error}".split())
            return self._failure(FAILED, reason)
        else:
            return records
        finally:
            self.log.unlink(missing_ok=True)

    def _failure(self, status: str, reason: str) -> Failure:
        try:
            tail = self.log.read_bytes()[-LOG_TAIL:].decode(errors="replace")
        except OSError:
            tail = ""
        return Failure(status, reason, tail)


class JobPool:
    """Child processes for jobs.

    Parameters
    ----------
    workers : int
        How many jobs run at once.
    limits : Limits
    """

    def __init__(self, workers: int, limits: Limits) -> None:
        self._limits = limits
        self._logs = tempfile.TemporaryDirectory(prefix="trackbench-")
        self._number = 0
        self._pool = ProcessPool(
            max_workers=workers,
            initializer=start_worker,
            initargs=(limits.memory_gib,),
            context=multiprocessing.get_context("spawn"),
        )

    def start(self, job: Job, stages: Path | None) -> Started:
        """Hand a job to the next free child."""
        self._number += 1
        log = Path(self._logs.name) / f"{self._number}.log"
        limit = self._limits.timeout_s
        future = self._pool.schedule(run_job, args=(job, stages, log), timeout=limit)
        return Started(job, future, log, limit)

    def call(self, function: Callable[..., Any], *values: Any) -> Any:
        """Call a function in a child and give what it gives, or raise what it raises."""
        return self._pool.schedule(function, args=values, timeout=self._limits.timeout_s).result()

    def close(self) -> None:
        """Stop all children, whatever they are doing."""
        self._pool.stop()
        self._pool.join()
        self._logs.cleanup()


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
