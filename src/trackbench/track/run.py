"""Tracks a whole recording: jobs to worker processes, parts to the disk, parts to tracks."""

from __future__ import annotations

import multiprocessing
import os
import resource
import sys
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from trackbench.benchmarks.executors.worker import start_worker
from trackbench.benchmarks.threads import pin_threads
from trackbench.core.registry import load_registry
from trackbench.core.types import ANONYMOUS
from trackbench.errors import CellsFailedError
from trackbench.track.batch import Found, Worker
from trackbench.track.parts import Parts
from trackbench.track.tracks import Detections, Tracks, independent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from trackbench.track.plan import TrackPlan

__all__ = ["Peak", "track"]

PENDING: Final = 2
"""Jobs handed out beyond those that run, per worker: memory stays bounded."""

STATUS: Final = Path("/proc/self/status")
"""Of Linux: memory by kind, in kB. Unlike `getrusage` it forgets the parent, whose largest size a
started process inherits there."""

RSS_UNIT: Final = 1 if sys.platform == "darwin" else 1024

Answer = tuple[int, list[Found], int, tuple[int, int]]
"""Job, its volumes, the process that did it and that process's `_memory`."""


@dataclass
class Peak:
    """Largest resident memory of each process of a run: its own and shared, in bytes."""

    by_process: dict[int, tuple[int, int]]

    @property
    def gib(self) -> float:
        """Sum over the processes in GiB; libraries that they share are counted once."""
        own = sum(private for private, _ in self.by_process.values())
        shared = max((shared for _, shared in self.by_process.values()), default=0)
        return (own + shared) / 2**30


def track(
    plan: TrackPlan,
    out: Path,
    *,
    workers: int = 1,
    advance: Callable[[int], object] = int,
) -> tuple[Tracks, list[tuple[int, str]], Peak]:
    """Track every volume of a recording that isn't tracked yet.

    Finished jobs stand in ``<out>.parts``: after a kill, the same call goes on from there, and
    the outcome is the same as without one, whatever the number of workers. `Parts.forget`
    removes the folder once the tracks are written.

    Parameters
    ----------
    plan : TrackPlan
    out : Path
        Where the tracks will be written by the caller.
    workers : int
        Processes; 1 works in this one.
    advance : callable
        Told the number of volumes that have just been done.

    Returns
    -------
    tracks : Tracks
    notes : list of (int, str)
        Frame number and reason of every volume that couldn't be used.
    peak : Peak

    Raises
    ------
    UsageError, StoreError
        As `Parts`.
    CellsFailedError
        A worker process died.
    """
    parts = Parts(out, plan.key)
    with plan.source.open() as recording:
        numbers, times = recording.header.numbers, recording.times_s
    size = plan.volumes_at_once
    jobs = [range(a, min(a + size, len(numbers))) for a in range(0, len(numbers), size)]
    left = [job for job in range(len(jobs)) if not parts.has(job)]
    advance(sum(len(volumes) for job, volumes in enumerate(jobs) if parts.has(job)))
    peak = Peak({})
    for job, found, process, memory in _answers(plan, jobs, left, workers):
        parts.save(job, found)
        peak.by_process[process] = memory
        advance(len(found))
    tracks, notes = _assembled(plan, parts, len(jobs), numbers, times)
    peak.by_process[os.getpid()] = _memory()
    return tracks, notes, peak


def _answers(
    plan: TrackPlan, jobs: Sequence[range], left: Sequence[int], workers: int
) -> Iterator[Answer]:
    if workers > 1 and len(left) > 1:
        yield from _from_pool(plan, jobs, left, min(workers, len(left)))
        return
    pin_threads(1)
    worker = Worker(load_registry(), plan) if left else None
    for job in left:
        if worker is not None:
            yield job, worker.run(jobs[job]), os.getpid(), _memory()


def _from_pool(
    plan: TrackPlan, jobs: Sequence[range], left: Sequence[int], workers: int
) -> Iterator[Answer]:
    pool = ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), _start, (plan,))
    waiting = iter(left)
    running: set[Future[Answer]] = set()
    with pool:
        try:
            while True:
                room = PENDING * workers - len(running)
                running |= {pool.submit(_run, i, jobs[i]) for i in islice(waiting, room)}
                if not running:
                    return
                done, running = wait(running, return_when=FIRST_COMPLETED)
                for future in done:
                    yield future.result()
        except BrokenProcessPool:
            raise CellsFailedError(
                "a worker process died, perhaps for lack of memory; what is done is kept",
                "run the same command again, with fewer --workers",
            ) from None
        finally:
            for future in running:
                future.cancel()


_OWN: Final[dict[str, Worker]] = {}
"""The worker of this process, once it is started."""


def _start(plan: TrackPlan) -> None:
    start_worker(None)
    _OWN["worker"] = Worker(load_registry(), plan)


def _run(job: int, volumes: range) -> Answer:
    return job, _OWN["worker"].run(volumes), os.getpid(), _memory()


def _memory() -> tuple[int, int]:
    """Give this process's largest resident memory in bytes: its own, and shared (libraries)."""
    if not STATUS.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * RSS_UNIT, 0
    lines = (line.split() for line in STATUS.read_text(encoding="ascii").splitlines())
    size = {words[0]: int(words[1]) * 1024 for words in lines if words[-1] == "kB"}
    shared = size.get("RssFile:", 0) + size.get("RssShmem:", 0)
    return size["VmHWM:"] - shared, shared


def _assembled(
    plan: TrackPlan,
    parts: Parts,
    jobs: int,
    numbers: tuple[int, ...],
    times: NDArray[np.float64] | None,
) -> tuple[Tracks, list[tuple[int, str]]]:
    """Join all parts."""
    volumes = [volume for job in range(jobs) for volume in parts.load(job)]
    shape = (len(volumes), len(plan.names))
    matched = np.full(shape, -1, np.int32)
    for t, volume in enumerate(volumes):
        i = np.flatnonzero(volume.column >= 0)
        matched[t, volume.column[i]] = i
    tracks = Tracks(
        names=tuple("" if name.startswith(ANONYMOUS) else name for name in plan.names),
        numbers=np.array(numbers, dtype=np.int64),
        times_s=np.full(len(numbers), np.nan) if times is None else times,
        zyx_um=np.full((*shape, 3), np.nan, np.float32),
        confidence=np.zeros(shape, np.float32),
        flags=np.zeros(shape, np.uint8),
        row=matched,
        matched=matched,
        status=np.array([volume.status for volume in volumes], dtype=np.uint8),
        detections=_joined(volumes),
        attributes=_attributes(plan),
    )
    notes = [(numbers[t], volume.note) for t, volume in enumerate(volumes) if volume.note]
    return independent(tracks), notes


def _joined(volumes: Sequence[Found]) -> Detections:
    counts = [len(volume.zyx_um) for volume in volumes]
    return Detections(
        np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        *(
            np.concatenate([getattr(volume, field) for volume in volumes])
            for field in ("zyx_um", "candidate", "log_p", "log_none")
        ),
    )


def _attributes(plan: TrackPlan) -> dict[str, str | int]:
    return {
        "recording": plan.source.path.name,
        "segmenter": str(plan.segmenter or "points"),
        "matcher": str(plan.matcher or "none"),
        "template": plan.template.id if plan.template is not None else "",
        "seed": plan.seed,
        "key": plan.key,
    }
