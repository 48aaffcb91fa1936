"""What a Dask worker does for a run: it hands each job to a child that may hang or die."""

from __future__ import annotations

import multiprocessing
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trackbench.benchmarks.executors.likeness import differences, likeness_here, plugins_of
from trackbench.benchmarks.executors.pool import JobPool
from trackbench.benchmarks.executors.shipping import filled

if TYPE_CHECKING:
    from distributed import Worker

    from trackbench.benchmarks.chunk import Chunk
    from trackbench.benchmarks.executors import Limits
    from trackbench.benchmarks.plan import Job
    from trackbench.benchmarks.record import CellRecord, Failure

__all__ = ["Errand", "Refusal", "pass_on", "run_errand", "stop_children"]


@dataclass(frozen=True)
class Errand:
    """What a worker is told beside the job.

    Parameters
    ----------
    run : str
        The run's own token: children of an earlier run are not used again, since plugins may
        have been installed in between.
    limits : Limits
    stages : str
        The stage folder as the run's machine calls it; "" for none.
    likeness : dict of str to str
        What the worker must be like.
    """

    run: str
    limits: Limits
    stages: str
    likeness: dict[str, str]


@dataclass(frozen=True)
class Refusal:
    """A worker that would give other results: its address, and in what it differs."""

    worker: str
    differences: tuple[str, ...]


def pass_on(chunk: Chunk) -> Chunk:
    """Give a chunk: a task that many jobs can depend on, and that outlives a worker."""
    return chunk


def run_errand(
    job: Job, chunk: Chunk, errand: Errand
) -> tuple[CellRecord, ...] | Failure | Refusal:
    """Run a job in a child of this Dask worker.

    Parameters
    ----------
    job : Job
        Without its cases.
    chunk : Chunk
        The cases.
    errand : Errand
    """
    from distributed import get_worker

    worker = get_worker()
    children = _children(worker, errand)
    wrong = children.differences(plugins_of(job.cells[0].combination), job, errand)
    if wrong:
        return Refusal(worker.address, wrong)
    started = children.pool.start(filled(job, chunk), _stages(worker, errand))
    return started.outcome()


def stop_children(run: str) -> None:
    """Stop the children that worked for a run."""
    with _LOCK:
        found = _CHILDREN.pop(run, None)
    if found is not None:
        found.pool.close()


class _Children:
    """The children of one run in this Dask worker, and what has been checked about them."""

    def __init__(self, threads: int, limits: Limits) -> None:
        self.pool = JobPool(threads, limits)
        self._checked: dict[tuple[tuple[str, str], ...], tuple[str, ...]] = {}

    def differences(
        self, plugins: tuple[tuple[str, str], ...], job: Job, errand: Errand
    ) -> tuple[str, ...]:
        """Say in what the children differ from the run's machine."""
        if plugins not in self._checked:
            there = self.pool.call(likeness_here, plugins)
            self._checked[plugins] = tuple(differences(errand.likeness, there))
        return self._checked[plugins]


_CHILDREN: dict[str, _Children] = {}
_LOCK = threading.Lock()


def _children(worker: Worker, errand: Errand) -> _Children:
    with _LOCK:
        if errand.run not in _CHILDREN:
            _allow_children()
            _CHILDREN[errand.run] = _Children(worker.state.nthreads, errand.limits)
        return _CHILDREN[errand.run]


def _allow_children() -> None:
    """Lift the ban on children that Dask's nanny puts on its worker by making it a daemon.

    A child of ours ends when its parent does, which is what the ban is there for.
    """
    process: Any = multiprocessing.current_process()
    process._config["daemon"] = False  # there is no public way


def _stages(worker: Worker, errand: Errand) -> Path | None:
    """Give the run's stage folder where this machine sees it, else one of the worker's own."""
    if not errand.stages:
        return None
    shared = Path(errand.stages)
    if (shared.parent / "store.json").exists():
        return shared
    return Path(worker.local_directory) / "trackbench-stages"
