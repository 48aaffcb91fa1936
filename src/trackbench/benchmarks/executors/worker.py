"""What runs inside a process that works for the harness."""

from __future__ import annotations

import faulthandler
import os
import signal
import sys
import threading
from contextlib import contextmanager
from functools import cache
from multiprocessing import connection, parent_process
from typing import IO, TYPE_CHECKING

from trackbench.benchmarks.cell import execute
from trackbench.benchmarks.stages import StageCache
from trackbench.benchmarks.threads import pin_threads
from trackbench.benchmarks.workbench import Workbench
from trackbench.core.registry import load_registry

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from trackbench.benchmarks.plan import Job
    from trackbench.benchmarks.record import CellRecord
    from trackbench.core.registry import Registry

__all__ = ["run_job", "start_worker"]


def start_worker(memory_gib: float | None) -> None:
    """Set a fresh worker up: threads, memory, plugins; its end comes with its parent's."""
    pin_threads(1)
    if memory_gib is not None:
        _limit_memory(memory_gib)
    threading.Thread(target=_die_with_parent, daemon=True).start()
    _registry()


def run_job(job: Job, stages: Path | None, log: Path) -> tuple[CellRecord, ...]:
    """Run a job; what it prints, and where it was when it died, goes to `log`."""
    with _printing_to(log):
        bench = _workbench(stages, job.seed)
        pin_threads(1)
        return execute(job, bench)


@cache
def _workbench(stages: Path | None, seed: int) -> Workbench:
    return Workbench(_registry(), StageCache(stages), seed)


@cache
def _registry() -> Registry:
    return load_registry()


@contextmanager
def _printing_to(log: Path) -> Iterator[None]:
    with log.open("wb") as file:
        saved = [os.dup(1), os.dup(2)]
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
        _report_deaths(file)
        try:
            yield
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            faulthandler.disable()
            for number, copy in enumerate(saved, start=1):
                os.dup2(copy, number)
                os.close(copy)


def _report_deaths(file: IO[bytes]) -> None:
    faulthandler.enable(file)
    if hasattr(faulthandler, "register"):
        faulthandler.register(signal.SIGTERM, file=file, chain=True)


def _die_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os._exit(1)


def _limit_memory(gib: float) -> None:
    import resource

    limit = int(gib * 2**30)
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
