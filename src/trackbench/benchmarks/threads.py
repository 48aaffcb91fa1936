"""Pins the threads of numerical libraries, so that results and times don't depend on luck."""

from __future__ import annotations

import os
import sys
from typing import Any, Final

import threadpoolctl

__all__ = ["THREAD_VARIABLES", "pin_threads", "thread_record", "usable_cores"]

THREAD_VARIABLES: Final = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMEXPR_NUM_THREADS",
)


def usable_cores() -> int:
    """Give how many cores this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def pin_threads(n: int) -> None:
    """Let all numerical libraries of this process use `n` threads.

    The order of floating-point sums depends on the number of threads, so accuracy is always
    computed with one.
    """
    for variable in THREAD_VARIABLES:
        os.environ[variable] = str(n)
    threadpoolctl.threadpool_limits(limits=n)
    torch: Any = sys.modules.get("torch")
    if torch is not None:
        torch.set_num_threads(n)


def thread_record() -> list[dict[str, Any]]:
    """Give the thread pools of this process as they stand."""
    pools = [
        {key: pool.get(key) for key in ("user_api", "internal_api", "version", "num_threads")}
        for pool in threadpoolctl.threadpool_info()
    ]
    torch: Any = sys.modules.get("torch")
    if torch is not None:
        pools.append({"user_api": "torch", "num_threads": torch.get_num_threads()})
    return pools
