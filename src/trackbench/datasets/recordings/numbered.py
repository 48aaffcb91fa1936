"""Files of a folder in the order of the numbers in their names."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

__all__ = ["by_number"]

_LAST_NUMBER = re.compile(r"(\d+)\D*$")


def by_number(files: Iterable[Path]) -> dict[int, Path]:
    """Order files by the last number in their names, which becomes the frame number.

    Where a file has no number or two have the same one, files are ordered by name and counted
    from 0.
    """
    ordered = sorted(files)
    numbers = [
        int(found[1]) if (found := _LAST_NUMBER.search(path.stem)) else None for path in ordered
    ]
    if None in numbers or len(set(numbers)) < len(numbers):
        return dict(enumerate(ordered))
    pairs = zip((number for number in numbers if number is not None), ordered, strict=True)
    return dict(sorted(pairs))
