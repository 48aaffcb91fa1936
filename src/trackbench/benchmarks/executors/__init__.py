"""Where jobs run: in this process, or in worker processes that can be killed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from trackbench.benchmarks.plan import Job
    from trackbench.benchmarks.record import CellRecord, Failure

__all__ = ["Answer", "Executor", "Limits"]

DEFAULT_TIMEOUT_S: Final = 1800.0


@dataclass(frozen=True)
class Limits:
    """What a worker may use.

    Parameters
    ----------
    timeout_s : float
        Wall time of one job in s; then its worker is killed.
    memory_gib : float, optional
        Private memory of one worker in GiB.
    """

    timeout_s: float = DEFAULT_TIMEOUT_S
    memory_gib: float | None = None


@dataclass(frozen=True)
class Answer:
    """What became of a job: its records, or why there are none."""

    job: Job
    outcome: tuple[CellRecord, ...] | Failure


class Executor(Protocol):
    """Runs jobs; an answer for each, in the order in which they end."""

    def run(self, jobs: Iterable[Job], stages: Path | None) -> Iterator[Answer]:
        """Run jobs.

        Parameters
        ----------
        jobs : iterable of Job
            Taken as workers become free, so that a long plan needn't fit in memory.
        stages : Path, optional
            Where stage outputs are kept.
        """
        ...
