"""Wall time without the time in which other programs held the core.

Linux tells for each thread how long it was ready to run and waited for a core (scheduler
statistics, ``/proc/thread-self/schedstat``). With that taken off, a time on a busy machine differs
by a few percent from one on a quiet machine; a sleep, a read or a lock still counts. Where the
system doesn't tell, wall time stands as it is.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["WAITING_IS_KNOWN", "seconds"]

_STATISTICS: Final = Path("/proc/thread-self/schedstat")


def _waited() -> float | None:
    try:
        return int(_STATISTICS.read_bytes().split()[1]) * 1e-9
    except (OSError, ValueError, IndexError):
        return None


WAITING_IS_KNOWN: Final = _waited() is not None
"""Whether `seconds` leaves out waiting for a core."""


def seconds(work: Callable[[], object]) -> float:
    """Time one call in s, without the calling thread's waiting for a core."""
    waited, busy, start = _waited(), time.thread_time(), time.perf_counter()
    work()
    wall = time.perf_counter() - start
    busy = time.thread_time() - busy
    after = _waited()
    if waited is None or after is None:
        return wall
    return max(wall - (after - waited), min(busy, wall))
