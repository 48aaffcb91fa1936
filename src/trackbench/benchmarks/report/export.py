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

__all__ = ["TABLES", "write_tables"]

TABLES: Final = ("per_neuron.csv", "per_ganglion.csv", "per_lab.csv", "paired.csv")
"""What is written."""


def write_tables(
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
    share = ("n", "share_right")
    tables: tuple[tuple[tuple[str, ...], Iterable[Sequence[Any]]], ...] = (
        (
            (*IDENTITY, "neuron", "ganglion", *share, "mostly_mistaken_for"),
            (row for section in sections for row in _neurons(section, ganglia)),
        ),
        (
            (*IDENTITY, "ganglion", *share),
            (row for section in sections for row in _ganglia(section, ganglia)),
        ),
        (
            (*IDENTITY, "metric", "lab", "n_cases", "n_animals", "mean", "low", "high"),
            (row for section in sections for row in _labs(section)),
        ),
        (
            ("dataset", "protocol", "split", "metric", "first", "second", "n_cases", "n_animals",
             "difference", "better", "equal", "worse", "p_wilcoxon", "p_permutation"),
            (row for section in sections for row in _pairs(section)),
        ),
    )  # fmt: skip
    paths = [folder / name for name in TABLES]
    for path, (header, rows) in zip(paths, tables, strict=True):
        _write(path, header, rows)
    return paths


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
        counts = (pair.n_cases, pair.n_animals, pair.difference)
        signs = (pair.better, pair.equal, pair.worse)
        yield [
            *where,
            pair.first.name,
            pair.second.name,
            *counts,
            *signs,
            pair.wilcoxon,
            pair.permutation,
        ]
