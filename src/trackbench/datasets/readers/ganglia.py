"""Which ganglion a neuron belongs to: the table that comes with WormND."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from trackbench.datasets.locate import find
from trackbench.datasets.readers.tables import read_table

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["GANGLIA_FILE", "ganglion_of", "known_ganglia", "read_ganglia"]

GANGLIA_FILE: Final = "neuron_ganglia.csv"
LEADING_ZERO: Final = re.compile(r"(?<=[A-Z])0+(?=\d)")
"""Ventral-cord neurons are written both ways: VB2 and VB02."""


def read_ganglia(folder: Path) -> dict[str, str]:
    """Read the ganglion of each neuron class from a WormND folder.

    Returns
    -------
    dict
        From class ("AVA", "CEPD") to ganglion, in the order of the file.

    Raises
    ------
    MissingDataError
        There is no such file.
    InputError
        It lacks the columns ``neuron_class`` and ``ganglion``.
    """
    table = read_table(folder / GANGLIA_FILE)
    return dict(zip(table.text("neuron_class"), table.text("ganglion"), strict=True))


def ganglion_of(neuron: str, ganglia: Mapping[str, str]) -> str | None:
    """Give the ganglion of a neuron, or None where its class is not in the table.

    A neuron's class is its name without the letter of its side: CEPDL belongs to CEPD.
    """
    name = LEADING_ZERO.sub("", neuron)
    return ganglia.get(name) or (ganglia.get(name[:-1]) if name[-1:] in {"L", "R"} else None)


def known_ganglia(data_dir: Path | None = None) -> dict[str, str]:
    """Read the table from where WormND lies; empty where there is none.

    Parameters
    ----------
    data_dir : Path, optional
        The folder that holds ``wormnd/``; else ``TRACKBENCH_DATA``, then the cache.

    Raises
    ------
    MissingDataError
        `data_dir` isn't there or doesn't hold it.
    InputError
        The file can't be used.
    """
    folder = find("wormnd", data_dir)
    if folder is None or not (folder / "wormnd" / GANGLIA_FILE).exists():
        return {}
    return read_ganglia(folder / "wormnd")
