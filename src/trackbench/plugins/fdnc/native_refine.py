"""Refinement and normalisation on the native kernels: what `refine` and `normalise` compute.

Several tests of one template are done side by side, each on one thread: what a test gives doesn't
depend on the others.
"""

from __future__ import annotations

from ctypes import Structure, byref, c_double, c_int64
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from trackbench.plugins.fdnc import refine
from trackbench.plugins.fdnc.kernels import library
from trackbench.plugins.fdnc.native_calls import checked, declared
from trackbench.plugins.fdnc.normalise import LEAST_ALONE, LEAST_LOG
from trackbench.plugins.fdnc.refine import Refined

if TYPE_CHECKING:
    from collections.abc import Sequence
    from ctypes import CDLL

    from trackbench.plugins.fdnc.normalise import Floats
    from trackbench.plugins.fdnc.refine import Bendable, Refinement

__all__ = [
    "certainty",
    "log_posterior",
    "log_posteriors",
    "refined",
    "refined_all",
    "shifted",
    "shifted_all",
]


class _Settings(Structure):
    _fields_ = [
        ("rounds", c_int64),
        *(
            (name, c_double)
            for name in (
                "start_um",
                "end_um",
                "limit_um",
                "prior",
                "gain",
                "final_gain",
                "further",
                "disagreement_um",
                "gate_um",
                "least_um",
                "sharper",
            )
        ),
    ]


@cache
def _settings(settings: Refinement) -> _Settings:
    return _Settings(
        settings.rounds,
        settings.start_um,
        settings.end_um,
        settings.limit_um,
        settings.prior,
        refine.GAIN,
        refine.FINAL_GAIN,
        refine.FURTHER,
        refine.DISAGREEMENT_UM,
        refine.GATE_UM,
        refine.LEAST_UM,
        refine.SHARPER,
    )


@cache
def _kernels() -> CDLL:
    found = library()
    if found is None:
        raise RuntimeError("the native kernels are absent")
    return declared(found)


def refined(own: Floats, test_um: Floats, template: Bendable, settings: Refinement) -> Refined:
    """Do as `refine.refined`."""
    return refined_all([(own, test_um)], template, settings)[0]


def refined_all(
    tests: Sequence[tuple[Floats, Floats]],
    template: Bendable,
    settings: Refinement,
    threads: int = 1,
) -> list[Refined]:
    """Join scores and residuals to the bent template, of several tests.

    Where the equations of a round have no solution in float32, the template stays where it is.

    Parameters
    ----------
    tests : sequence of pairs of arrays
        Scores (m + 1, n + 1), `normalise.shifted`, and points (m, 3) of each.
    template : Bendable
    settings : Refinement
    threads : int

    Raises
    ------
    ValueError
        Shapes that don't belong together, no points, too many basis functions.
    """
    if not settings.rounds:
        return [Refined(own, np.inf) for own, _ in tests]
    k, n = template.turned.shape
    place, turned = _floats(template.zyx_um, (n, 3)), _floats(template.turned, (k, n))
    scores = [_scores(own) for own, _ in tests]
    sizes = [(len(own) - 1, 3) for own in scores]
    points = [_floats(test, size) for size, (_, test) in zip(sizes, tests, strict=True)]
    if any(own.shape[1] != n + 1 for own in scores):
        raise ValueError(f"scores need {n + 1} columns: template neurons and no partner")
    joined, addresses = _tables([own.shape for own in scores])
    numbers: list[int] = []
    for own, test, address in zip(scores, points, addresses, strict=True):
        numbers += len(test), own.ctypes.data, test.ctypes.data, address
    residuals = (c_double * len(scores))()
    checked(
        _kernels().trackbench_refine(
            len(scores),
            (c_int64 * len(numbers))(*numbers),
            n,
            k,
            place.ctypes.data,
            turned.ctypes.data,
            byref(_settings(settings)),
            residuals,
            threads,
        )
    )
    return [Refined(own, residual) for own, residual in zip(joined, residuals, strict=True)]


def log_posterior(scores: Floats) -> Floats:
    """Do as `normalise.log_posterior`."""
    return log_posteriors([scores])[0]


def log_posteriors(tests: Sequence[Floats], threads: int = 1) -> list[Floats]:
    """Give the log-probabilities (m, n + 1) of several tests' scores (m + 1, n + 1).

    Raises
    ------
    ValueError
        Not such scores.
    """
    scores = [_scores(own) for own in tests]
    tables, addresses = _tables([(len(own) - 1, own.shape[1]) for own in scores])
    numbers: list[int] = []
    for own, table, address in zip(scores, tables, addresses, strict=True):
        numbers += len(table), table.shape[1] - 1, own.ctypes.data, address
    all_tests = (c_int64 * len(numbers))(*numbers)
    checked(_kernels().trackbench_log_posterior(len(scores), all_tests, LEAST_LOG, threads))
    return tables


def certainty(scores: Floats) -> float:
    """Do as `normalise.certainty`."""
    own, found = _scores(scores), c_double()
    m, n = len(own) - 1, own.shape[1] - 1
    checked(_kernels().trackbench_certainty(m, n, own.ctypes.data, byref(found)))
    return found.value


def shifted(table: Floats, template_alone: Floats) -> Floats:
    """Do as `normalise.shifted`."""
    return shifted_all([table], template_alone)[0]


def shifted_all(tables: Sequence[Floats], template_alone: Floats, threads: int = 1) -> list[Floats]:
    """Bring scores of several tests into tables; see `normalise.shifted`.

    Parameters
    ----------
    tables : sequence of (m, n + 1) arrays of float32
        Rows may lie apart in memory.
    template_alone : (n,) array of float32
    threads : int

    Raises
    ------
    ValueError
        Not such tables.
    """
    alone = _floats(template_alone, (len(template_alone),))
    n = len(alone)
    raw = [_rows(table, n + 1) for table in tables]
    scores, addresses = _tables([(len(table) + 1, n + 1) for table in raw])
    numbers: list[int] = []
    for table, address in zip(raw, addresses, strict=True):
        numbers += len(table), table.strides[0] // table.itemsize, table.ctypes.data, address
    all_tests = (c_int64 * len(numbers))(*numbers)
    _kernels().trackbench_shift(
        len(raw), all_tests, n, alone.ctypes.data, LEAST_ALONE, LEAST_LOG, threads
    )
    return scores


def _tables(shapes: Sequence[tuple[int, ...]]) -> tuple[list[Floats], list[int]]:
    """Make room for tables in one piece of memory, which they keep; give their addresses too."""
    sizes = [rows * columns for rows, columns in shapes]
    room = np.empty(sum(sizes), dtype=np.float32)
    start, address = 0, room.ctypes.data
    tables, addresses = [], []
    for shape, size in zip(shapes, sizes, strict=True):
        tables.append(room[start : start + size].reshape(shape))
        addresses.append(address + start * room.itemsize)
        start += size
    return tables, addresses


def _floats(values: Floats, shape: tuple[int, ...]) -> Floats:
    array = np.ascontiguousarray(values, dtype=np.float32)
    if array.shape != shape:
        raise ValueError(f"an array of shape {array.shape} where {shape} is needed")
    return array


def _scores(values: Floats) -> Floats:
    array = np.ascontiguousarray(values, dtype=np.float32)
    if array.ndim != 2 or min(array.shape) < 2:
        raise ValueError(f"scores of shape {array.shape} are not (m + 1, n + 1)")
    return array


def _rows(values: Floats, columns: int) -> Floats:
    """Bring a table to float32 with each row in one piece."""
    array = np.asarray(values, dtype=np.float32)
    if array.ndim != 2 or array.shape[1] != columns:
        raise ValueError(f"a table of shape {array.shape} is not (m, {columns})")
    together = array.strides[1] == array.itemsize and array.strides[0] % array.itemsize == 0
    return array if together and array.strides[0] > 0 else np.ascontiguousarray(array)
