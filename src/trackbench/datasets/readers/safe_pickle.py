"""Reads a pickle of plain values and number arrays without running anything it names.

A pickle can name any function and have it called. Here the only names it may use are the three
that numpy arrays need, and each stands for a small recorder of this module, never for numpy's
own code: nothing in the file reaches a constructor, an allocator or a dtype's state.
"""

from __future__ import annotations

import io
import math
import pickle
import re
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from trackbench.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["ALLOWED", "loads"]

_CODE = re.compile(r"[<>=|]?([biuf])([1248])")
_ORDER: Final = frozenset("<>=|")
_MAX_DIMENSIONS: Final = 8


class _ArrayClass:
    """Stands for ``numpy.ndarray``: a token that can only be handed on."""

    __slots__ = ()

    def __setstate__(self, state: object) -> None:
        raise pickle.UnpicklingError("a class has no state")


class _Dtype:
    """Stands for the result of ``numpy.dtype(code, align, copy)``."""

    __slots__ = ("code",)

    def __init__(self, code: str) -> None:
        self.code = code

    def __setstate__(self, state: Any) -> None:
        """Take the byte order, the only part of the state that a number's dtype needs."""
        order = state[1]
        if order not in _ORDER:
            raise pickle.UnpicklingError(f"byte order {order!r}")
        self.code = order + self.code.lstrip("".join(_ORDER))

    def numpy(self) -> np.dtype[Any]:
        return np.dtype(self.code)


class _DtypeClass:
    """Stands for ``numpy.dtype``; makes number types only."""

    __slots__ = ()

    def __call__(self, code: Any, *flags: object) -> _Dtype:
        if not isinstance(code, str) or _CODE.fullmatch(code) is None:
            raise pickle.UnpicklingError(f"an array of type {code!r}, which is not a number")
        return _Dtype(code)

    def __setstate__(self, state: object) -> None:
        raise pickle.UnpicklingError("a class has no state")


class _Array:
    """Stands for an array while the pickle is read."""

    __slots__ = ("values",)

    def __init__(self) -> None:
        self.values: np.ndarray[Any, Any] | None = None

    def __setstate__(self, state: Any) -> None:
        """Take (version, shape, dtype, Fortran order, raw bytes) as numpy writes them."""
        _, shape, dtype, fortran, raw = state
        self.values = _from_bytes(raw, dtype, shape, "F" if fortran else "C")


class _Reconstruct:
    """Stands for ``numpy.core.multiarray._reconstruct(ndarray, (0,), b"b")``."""

    __slots__ = ()

    def __call__(self, subtype: object, shape: object, code: object) -> _Array:
        if subtype is not _ARRAY_CLASS or shape != (0,):
            raise pickle.UnpicklingError("an array that is not built as numpy builds them")
        return _Array()

    def __setstate__(self, state: object) -> None:
        raise pickle.UnpicklingError("a function has no state")


class _FromBuffer:
    """Stands for ``numpy._core.numeric._frombuffer(raw, dtype, shape, order)``."""

    __slots__ = ()

    def __call__(self, raw: object, dtype: object, shape: object, order: object) -> _Array:
        array = _Array()
        array.values = _from_bytes(raw, dtype, shape, "F" if order == "F" else "C")
        return array

    def __setstate__(self, state: object) -> None:
        raise pickle.UnpicklingError("a function has no state")


def _from_bytes(raw: Any, dtype: Any, shape: Any, order: Any) -> np.ndarray[Any, Any]:
    if not isinstance(raw, bytes | bytearray) or not isinstance(dtype, _Dtype):
        raise pickle.UnpicklingError("an array that doesn't hold plain numbers")
    lengths = tuple(int(length) for length in shape)
    if len(lengths) > _MAX_DIMENSIONS or min(lengths, default=0) < 0:
        raise pickle.UnpicklingError(f"an array of shape {lengths}")
    kind = dtype.numpy()
    if math.prod(lengths) * kind.itemsize != len(raw):
        raise pickle.UnpicklingError(f"{len(raw)} bytes for an array of shape {lengths}")
    return np.frombuffer(raw, dtype=kind).reshape(lengths, order=order)


_ARRAY_CLASS: Final = _ArrayClass()
_DTYPE_CLASS: Final = _DtypeClass()
_RECONSTRUCT: Final = _Reconstruct()
_FROM_BUFFER: Final = _FromBuffer()

ALLOWED: Final = {
    ("numpy", "ndarray"): _ARRAY_CLASS,
    ("numpy", "dtype"): _DTYPE_CLASS,
    ("numpy.core.multiarray", "_reconstruct"): _RECONSTRUCT,
    ("numpy._core.multiarray", "_reconstruct"): _RECONSTRUCT,
    ("numpy.core.numeric", "_frombuffer"): _FROM_BUFFER,
    ("numpy._core.numeric", "_frombuffer"): _FROM_BUFFER,
}
"""Every name that a pickle may use, and what stands for it here."""


class _Unpickler(pickle.Unpickler):
    def find_class(self, module_name: str, global_name: str, /) -> Any:
        found = ALLOWED.get((module_name, global_name))
        if found is None:
            raise pickle.UnpicklingError(f"it names {module_name}.{global_name}"[:100])
        return found


def loads(raw: bytes, path: Path) -> Any:
    """Read a pickle of dicts, lists, tuples, text, numbers and arrays of numbers.

    Parameters
    ----------
    raw : bytes
        The file's content.
    path : Path
        Its name, for the error.

    Raises
    ------
    InputError
        Truncated, not a pickle, or one that names a class or function other than `ALLOWED`;
        nothing of it was run.
    """
    try:
        return _plain(_Unpickler(io.BytesIO(raw)).load())
    except (
        pickle.UnpicklingError,
        ArithmeticError,
        AttributeError,
        EOFError,
        ImportError,
        LookupError,
        MemoryError,
        RecursionError,
        TypeError,
        ValueError,
    ) as error:
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise InputError(
            f"{path}: not a pickle of plain values and number arrays ({reason[:120]}); "
            "nothing in it was run",
            "export it again with Python 3, as text, lists and numpy arrays of numbers",
        ) from None


def _plain(value: Any, done: dict[int, Any] | None = None) -> Any:
    done = {} if done is None else done
    if id(value) not in done:
        # an object that stands in many places is converted once: the work stays linear
        done[id(value)] = _converted(value, done)
    return done[id(value)]


def _converted(value: Any, done: dict[int, Any]) -> Any:
    if isinstance(value, _Array):
        if value.values is None:
            raise pickle.UnpicklingError("an array without content")
        return value.values
    if isinstance(value, dict):
        return {_plain(key, done): _plain(item, done) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_plain(item, done) for item in value)
    if value is None or isinstance(value, bool | int | float | str | bytes):
        return value
    raise pickle.UnpicklingError(f"it holds a {type(value).__name__.strip('_')}")
