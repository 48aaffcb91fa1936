"""Checks that need another process: a plugin must survive being sent, spawned and killed."""

from __future__ import annotations

import multiprocessing
import pickle
import sys
import time
from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.connection import Connection

    from numpy.typing import NDArray

    from trackbench.core.plugin import Plugin

    Answer = Callable[[type[Plugin[Any]]], NDArray[Any]]

__all__ = ["check_other_process", "check_spawn_and_kill", "importable"]

ANSWER_S: Final = 120.0
"""Wall time in s that a new process may take for a toy worm."""

AT_WORK_S: Final = 0.05
"""How long in s a process works before it is killed."""

TOLERANCE: Final = 2e-3
"""Allowed difference between answers that should be equal."""


def check_other_process(cls: type[Plugin[Any]]) -> None:
    """Class and config can be sent to a worker process."""
    copy, config = pickle.loads(pickle.dumps((cls, cls.Config())))
    assert copy is cls
    assert config == cls.Config()


def check_spawn_and_kill(cls: type[Plugin[Any]], answer: Answer) -> None:
    """Give the answer of a new process, after another was killed at its work.

    Parameters
    ----------
    cls : type
        The plugin.
    answer : callable
        Gives an array for the class; it must be importable.
    """
    if not importable(cls.__module__):
        return
    _kill_at_work(cls, answer)
    there, here = _answer_of_a_new_process(cls, answer), answer(cls)
    assert there.shape == here.shape, f"a new process gives {there.shape}, this one {here.shape}"
    worst = float(np.abs(there - here).max()) if here.size else 0.0
    assert worst <= TOLERANCE, f"a new process gives an answer that differs by {worst:.3g}"


def importable(module: str) -> bool:
    """Say whether another process could import a module."""
    return module != "__main__" and getattr(sys.modules.get(module), "__file__", None) is not None


def _kill_at_work(cls: type[Plugin[Any]], answer: Answer) -> None:
    process, pipe = _start(_work_forever, cls, answer)
    try:
        _receive(process, pipe)
        time.sleep(AT_WORK_S)
    finally:
        process.kill()
        process.join()


def _answer_of_a_new_process(cls: type[Plugin[Any]], answer: Answer) -> NDArray[Any]:
    process, pipe = _start(_work_once, cls, answer)
    try:
        found: NDArray[Any] = _receive(process, pipe)
    finally:
        process.kill()
        process.join()
    return found


def _start(work: Callable[..., None], *values: object) -> tuple[Any, Connection]:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=work, args=(*values, theirs), daemon=True)
    process.start()
    theirs.close()
    return process, ours


def _receive(process: Any, pipe: Connection) -> Any:
    assert pipe.poll(ANSWER_S), f"a new process gave no answer within {ANSWER_S:g} s"
    try:
        found = pipe.recv()
    except EOFError:
        process.join()
        raise AssertionError(f"a new process ended with code {process.exitcode}") from None
    assert not isinstance(found, str), f"in a new process: {found}"
    return found


def _work_once(cls: type[Plugin[Any]], answer: Answer, pipe: Connection) -> None:
    try:
        found: object = answer(cls)
    except Exception as error:  # noqa: BLE001  it is told to the process that asked
        found = f"{type(error).__name__}: {error}"
    pipe.send(found)


def _work_forever(cls: type[Plugin[Any]], answer: Answer, pipe: Connection) -> None:
    answer(cls)
    pipe.send(True)
    while True:
        answer(cls)
