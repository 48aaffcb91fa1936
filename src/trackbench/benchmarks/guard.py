"""Turns whatever a plugin throws into a failure of the case that it was thrown for."""

from __future__ import annotations

import traceback
from typing import TYPE_CHECKING, TypeVar

from trackbench.benchmarks.record import FAILED, OUT_OF_MEMORY, Failure

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["guarded"]

T = TypeVar("T")
TORCH_OUT_OF_MEMORY = "can't allocate memory"


def guarded(who: str, run: Callable[[], T]) -> T | Failure:
    """Call `run`; an exception becomes a `Failure` that names the plugin `who`."""
    try:
        return run()
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # noqa: BLE001  a plugin's own code may throw anything
        reason = " ".join(f"{who}: {type(error).__name__}: {error}".split())
        full = isinstance(error, MemoryError) or TORCH_OUT_OF_MEMORY in str(error)
        log = "".join(traceback.format_exception(error))
        return Failure(OUT_OF_MEMORY if full else FAILED, reason, log)
