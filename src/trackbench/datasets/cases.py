"""What every dataset of real worms does with its cases."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trackbench.core.types import Case, PointCloud, Truth, Volume
from trackbench.errors import MissingDataError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

__all__ = ["at_least_one", "make_case", "section_folder"]


def make_case(
    id: str,  # noqa: A002
    templates: tuple[PointCloud, ...],
    test: PointCloud,
    *,
    protocol: str,
    split: str,
    group: str = "",
    volume: Volume | None = None,
    oracle: bool = False,
    complete: bool = False,
) -> Case:
    """Make a case of a named test: its names become the truth, which a method never sees."""
    return Case(
        id=id,
        templates=templates,
        test=test.without_names(),
        truth=Truth(test.names if test.names is not None else ("",) * len(test), complete),
        animal=test.animal,
        split=split,
        protocol=protocol,
        volume=volume,
        oracle=oracle,
        group=group,
    )


def section_folder(data_dir: Path | None, section: str) -> Path:
    """Give the folder of one source below `data_dir`.

    Raises
    ------
    MissingDataError
        It isn't there.
    """
    mend = f"give --data-dir, or run: trackbench data fetch {section}"
    if data_dir is None:
        raise MissingDataError(f"no folder of data for {section}", mend)
    if not (data_dir / section).is_dir():
        raise MissingDataError(f"{data_dir / section}: no such folder", mend)
    return data_dir / section


def at_least_one(cases: Iterable[Case], folder: Path, protocol: str, split: str) -> Iterator[Case]:
    """Give the cases.

    Raises
    ------
    MissingDataError
        There is none: a copy of the data that lacks the whole split.
    """
    empty = True
    for case in cases:
        empty = False
        yield case
    if empty:
        raise MissingDataError(
            f"{folder}: it holds no case of {protocol}, split {split}",
            f"give another --split, or run: trackbench data fetch {folder.name}",
        )
