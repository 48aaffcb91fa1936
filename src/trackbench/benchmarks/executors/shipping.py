"""How a worker on another machine gets the cases of a chunk: from its own disk, or by wire."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from trackbench.benchmarks.chunk import Chunk, chunked
from trackbench.benchmarks.tasks import load_task
from trackbench.core.registry import load_registry
from trackbench.errors import InputError, TrackbenchError

if TYPE_CHECKING:
    from pathlib import Path

    from trackbench.benchmarks.plan import Job, Plan
    from trackbench.core.plugin import Protocol
    from trackbench.core.spec import Spec

__all__ = ["LARGE_BYTES", "Origin", "emptied", "filled", "found_on_disk", "origins", "weight"]

LARGE_BYTES: Final = 4 * 2**20
"""A chunk smaller than this is sent: that takes less time than reading files."""


@dataclass(frozen=True)
class Origin:
    """Where the cases of a task come from, in words that another machine understands.

    Parameters
    ----------
    dataset : Spec
    protocol : Protocol
    split : str
    seed : int
    data_dir : Path, optional
        Where this machine found the data; a worker that lacks the folder looks where its own
        settings say.
    """

    dataset: Spec
    protocol: Protocol
    split: str
    seed: int
    data_dir: Path | None


def origins(plan: Plan, data_dir: Path | None) -> dict[str, Origin]:
    """Give the origin of every large chunk of a plan, by the chunk's key."""
    found: dict[str, Origin] = {}
    for part in plan.parts:
        task = part.task
        folder = None if data_dir is None else data_dir.absolute()
        origin = Origin(task.dataset, task.protocol, task.split, plan.seed, folder)
        found |= {chunk.key: origin for chunk in part.chunks if weight(chunk) >= LARGE_BYTES}
    return found


def weight(chunk: Chunk) -> int:
    """Give the size of the images of a chunk in bytes."""
    return sum(case.volume.data.nbytes for case in chunk.cases if case.volume is not None)


def found_on_disk(origin: Origin, key: str) -> Chunk:
    """Read a chunk from this machine's disk.

    Raises
    ------
    InputError
        The data isn't here, or differs from what the plan was made of.
    """
    try:
        return _chunks(origin)[key]
    except KeyError:
        raise InputError(f"{origin.dataset} {origin.protocol.name}: other data here") from None
    except TrackbenchError as error:
        raise InputError(str(error)) from error


@lru_cache(maxsize=1)
def _chunks(origin: Origin) -> dict[str, Chunk]:
    folder = origin.data_dir
    task = load_task(
        load_registry(),
        origin.dataset,
        origin.protocol,
        split=origin.split,
        data_dir=folder if folder is not None and folder.is_dir() else None,
        seed=origin.seed,
        offline=True,
    )
    return {chunk.key: chunk for chunk in chunked(task.cases)}


def emptied(job: Job) -> Job:
    """Give a job without its cases, which travel by themselves and once for many jobs."""
    return replace(job, chunk=Chunk(job.chunk.key, ()))


def filled(job: Job, chunk: Chunk) -> Job:
    """Give a job with its cases again."""
    return replace(job, chunk=chunk)
