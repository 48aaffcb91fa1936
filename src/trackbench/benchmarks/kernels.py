"""Fixed pieces of work that are timed beside the plugins, so that machines can be compared.

Methods lean on different parts of a processor, so there are four kernels. A slowdown is believed
where a method is slower beside every one of them: a processor that is behind in one kind of work
alone raises no alarm.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from trackbench.benchmarks.stopwatch import seconds

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["KERNELS", "time_kernels"]

SIZE: Final = 256


@cache
def _matrix() -> Any:
    return np.random.default_rng(0).standard_normal((SIZE, SIZE), dtype=np.float32)


@cache
def _half_matrix() -> Any:
    import torch

    return torch.from_numpy(_matrix()).bfloat16()


def _float32() -> None:
    for _ in range(16):
        _matrix() @ _matrix()


def _bfloat16() -> None:
    for _ in range(10):  # without its own units for this, a processor takes fifty times as long
        _half_matrix() @ _half_matrix()


def _elementwise() -> None:
    for _ in range(40):
        np.sort(np.exp(-np.abs(_matrix())), axis=1)


def _calls() -> None:
    points = _matrix()[:12, :3]
    for _ in range(800):
        centred = points - points.mean(axis=0)
        centred.T @ centred


KERNELS: Final[Mapping[str, Callable[[], None]]] = {
    "float32": _float32,
    "bfloat16": _bfloat16,
    "elementwise": _elementwise,
    "calls": _calls,
}
"""Matrix products in two precisions, exponentials and sorts, many small calls: 2 to 5 ms each on
one core of 2024."""


def time_kernels() -> dict[str, float]:
    """Time each kernel once, in s."""
    return {name: seconds(kernel) for name, kernel in KERNELS.items()}
