"""The functions of the native kernels, as Python may call them."""

from __future__ import annotations

from ctypes import c_float, c_int, c_int64, c_void_p
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from ctypes import CDLL

__all__ = ["checked", "declared"]

PLACE: Final = c_void_p
COUNT: Final = c_int64
NUMBER: Final = c_float
CODE: Final = c_int

FUNCTIONS: Final = {
    "memory": (COUNT, (COUNT, COUNT)),
    "pose": (CODE, (PLACE, PLACE, PLACE, PLACE, PLACE, PLACE, COUNT)),
    "encode": (CODE, (PLACE, PLACE, PLACE, PLACE, PLACE, COUNT)),
    "scores": (CODE, (PLACE, PLACE, PLACE, PLACE, COUNT, PLACE, COUNT)),
    "shift": (None, (COUNT, PLACE, COUNT, PLACE, NUMBER, NUMBER, COUNT)),
    "refine": (CODE, (COUNT, PLACE, COUNT, COUNT, PLACE, PLACE, PLACE, PLACE, COUNT)),
    "log_posterior": (CODE, (COUNT, PLACE, NUMBER, COUNT)),
    "certainty": (CODE, (COUNT, COUNT, PLACE, PLACE)),
}
"""What each gives and takes: unstated, a number of 64 bits would lose half of them."""

NO_MEMORY: Final = 1
TOO_WIDE: Final = 2


def declared(library: CDLL) -> CDLL:
    """State what the functions of a library give and take."""
    for name, (gives, takes) in FUNCTIONS.items():
        function = getattr(library, f"trackbench_{name}")
        function.restype, function.argtypes = gives, takes
    return library


def checked(code: int) -> None:
    """Raise what a function's code stands for.

    Raises
    ------
    MemoryError
    ValueError
        More basis functions than the refinement holds.
    """
    if code == NO_MEMORY:
        raise MemoryError("no memory for the native kernels")
    if code == TOO_WIDE:
        raise ValueError("more basis functions than the kernels hold")
