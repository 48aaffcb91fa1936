"""The report's breakdowns as CSV files, for other programs."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Any, Final

from trackbench.benchmarks.atomic import make_folder, write_atomically
from trackbench.benchmarks.report.breakdown import by_ganglion, by_neuron
from trackbench.benchmarks.report.paired import pairs
from trackbench.benchmarks.report.rows import IDENTITY

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from trackbench.benchmarks.report.breakdown import Line
    from trackbench.benchmarks.report.sections import Entry, Section

__all__ = ["TABLES", "write_breakdowns"]

SHARE: Final = ("n", "share_right")
TABLES: Final[dict[str, tuple[str, ...]]] = {
    "per_neuron.csv": (*IDENTITY, "neuron", "ganglion", *SHARE, "mostly_mistaken_for"),
    "per_ganglion.csv": (*IDENTITY, "ganglion", *SHARE),
    "per_lab.csv": (*IDENTITY, "metric", "lab", "n_cases", "n_animals", "mean", "low", "high"),
    "paired.csv": (
        *("dataset", "protocol", "split", "metric", "first", "second", "n_cases", "n_animals"),
        *("difference", "better", "equal", "worse", "p_wilcoxon", "p_permutation"),
    ),
}
"""What is written, with the columns."""


def write_breakdowns(
    folder: Path, sections: Sequence[Section], ganglia: Mapping[str, str]
) -> list[Path]:
    """Write the breakdowns of all drawn methods, one line a method and neuron, ganglion or lab.

    Parameters
    ----------
    folder : Path
        Made where it isn't there; files of the same names are replaced.
    sections : sequence of Section
    ganglia : mapping
        From neuron class to ganglion; empty where that is not known.

    Raises
    ------
    StoreError
        The disk is full or can't be written.
    """
    make_folder(folder)
    rows: tuple[Iterable[Sequence[Any]], ...] = (
        (row for section in sections for row in _neurons(section, ganglia)),
        (row for section in sections for row in _ganglia(section, ganglia)),
        (row for section in sections for row in _labs(section)),
        (row for section in sections for row in _pairs(section)),
    )
    for (name, columns), lines in zip(TABLES.items(), rows, strict=True):
        _write(folder / name, columns, lines)
    return [folder / name for name in TABLES]


def _write(path: Path, header: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    write_atomically(path, lambda file: file.write(text.getvalue().encode()))


def _neurons(section: Section, ganglia: Mapping[str, str]) -> Iterator[list[Any]]:
    for entry, line, k in _cells(section, by_neuron(section, ganglia)):
        known = (line.name, line.ganglion, line.n[k], line.shares[k], line.mistaken_for[k])
        yield [*entry.who, *known]


def _ganglia(section: Section, ganglia: Mapping[str, str]) -> Iterator[list[Any]]:
    for entry, line, k in _cells(section, by_ganglion(section, ganglia)):
        yield [*entry.who, line.name, line.n[k], line.shares[k]]


def _cells(section: Section, lines: Sequence[Line]) -> Iterator[tuple[Entry, Line, int]]:
    return (
        (entry, line, k)
        for k, entry in enumerate(section.drawn)
        for line in lines
        if line.n[k]
    )  # fmt: skip


def _labs(section: Section) -> Iterator[list[Any]]:
    for entry in section.drawn:
        for lab, own in entry.labs.items():
            counts = (own.n_cases, own.n_animals)
            yield [*entry.who, section.metric, lab, *counts, own.mean, own.low, own.high]


def _pairs(section: Section) -> Iterator[list[Any]]:
    for pair in pairs(section):
        where = (section.dataset, section.protocol, section.split, section.metric)
        names = (pair.first.name, pair.second.name)
        counts = (pair.n_cases, pair.n_animals, pair.difference)
        signs = (pair.better, pair.equal, pair.worse)
        yield [*where, *names, *counts, *signs, pair.wilcoxon, pair.permutation]
