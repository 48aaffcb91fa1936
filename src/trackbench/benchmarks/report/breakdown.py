"""Where methods are right and wrong: by neuron and by ganglion."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from trackbench.datasets.readers.ganglia import ganglion_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from trackbench.benchmarks.report.sections import Section

__all__ = ["Line", "by_ganglion", "by_neuron"]

ELSEWHERE: Final = "in no ganglion of the table"
LEAST_KNOWN: Final = 0.5
"""Share of a protocol's neurons that must be in the table of ganglia for it to say anything."""


@dataclass(frozen=True)
class Line:
    """One neuron, or one ganglion, under each method that is drawn.

    Parameters
    ----------
    name : str
        A neuron or a ganglion.
    ganglion : str
        "" where it is not known, or `name` is a ganglion.
    n : tuple of int
        How often each method was asked for such a neuron, over all cases.
    shares : tuple of (float or None)
        Share named right by each method, over all cases.
    mistaken_for : tuple of str
        What each method said most often instead, of a neuron.
    """

    name: str
    ganglion: str
    n: tuple[int, ...]
    shares: tuple[float | None, ...]
    mistaken_for: tuple[str, ...] = ()


def by_neuron(section: Section, ganglia: Mapping[str, str]) -> list[Line]:
    """List every true name of a protocol, in alphabetical order (numbers by value)."""
    tables = [
        {}
        if entry.neurons is None
        else {
            str(name): (int(n), int(right), mistaken)
            for name, n, right, mistaken in zip(
                entry.neurons.names,
                entry.neurons.n,
                entry.neurons.right,
                entry.neurons.mistaken_for,
                strict=True,
            )
        }
        for entry in section.drawn
    ]
    names = sorted({name for table in tables for name in table}, key=_natural)
    lines = []
    for name in names:
        found = [table.get(name, (0, 0, "")) for table in tables]
        lines.append(
            Line(
                name,
                ganglion_of(name, ganglia) or "",
                tuple(n for n, _, _ in found),
                tuple(right / n if n else None for n, right, _ in found),
                tuple(mistaken for _, _, mistaken in found),
            )
        )
    return lines


def by_ganglion(section: Section, ganglia: Mapping[str, str]) -> list[Line]:
    """Pool the neurons of each ganglion; nothing where half of the neurons are in none.

    Every annotated neuron counts once a case, so a neuron that few people name weighs little.
    """
    neurons = by_neuron(section, ganglia)
    known = sum(sum(line.n) for line in neurons if line.ganglion)
    if known <= LEAST_KNOWN * sum(sum(line.n) for line in neurons):
        return []
    order = [*dict.fromkeys(ganglia.values()), ""]
    pools = {name: [line for line in neurons if line.ganglion == name] for name in order}
    return [_pooled(name or ELSEWHERE, pool) for name, pool in pools.items() if pool]


def _pooled(name: str, pool: list[Line]) -> Line:
    columns = range(len(pool[0].n))
    n = [sum(line.n[k] for line in pool) for k in columns]
    right = [sum((line.shares[k] or 0.0) * line.n[k] for line in pool) for k in columns]
    shares = tuple(right[k] / n[k] if n[k] else None for k in columns)
    return Line(name, "", tuple(n), shares)


def _natural(name: str) -> tuple[bool, int, str]:
    return not name.isdigit(), int(name) if name.isdigit() else 0, name
