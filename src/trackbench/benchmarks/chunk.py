"""Cuts the cases of a protocol into chunks: what one cell works on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from trackbench.core.keys import content_key

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from trackbench.core.types import Case, PointCloud, Volume

__all__ = ["CASES_PER_CHUNK", "PAIRS_PER_CHUNK", "Chunk", "CloudKeys", "chunked"]

CASES_PER_CHUNK: Final = 64
PAIRS_PER_CHUNK: Final = 512
"""Tests times templates. Large enough for a matcher to batch, small enough to lose little when
a worker dies."""


@dataclass(frozen=True)
class Chunk:
    """Consecutive cases of one protocol.

    Parameters
    ----------
    key : str
        Content key of the cases, their clouds, volumes and truth.
    cases : tuple of Case
    """

    key: str
    cases: tuple[Case, ...]


class CloudKeys:
    """Gives content keys of clouds and volumes; an object that many cases share is read once."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[object, str]] = {}

    def __call__(self, value: PointCloud | Volume) -> str:
        """Give the key of one value."""
        if id(value) not in self._known:
            self._known[id(value)] = (value, content_key(value))
        return self._known[id(value)][1]


def chunked(cases: Sequence[Case]) -> tuple[Chunk, ...]:
    """Cut cases, in their order, into chunks with their content keys."""
    keys = CloudKeys()
    return tuple(Chunk(_key(group, keys), group) for group in _groups(cases))


def _groups(cases: Sequence[Case]) -> Iterator[tuple[Case, ...]]:
    group: list[Case] = []
    pairs = 0
    for case in cases:
        full = len(group) >= CASES_PER_CHUNK or pairs + len(case.templates) > PAIRS_PER_CHUNK
        if group and full:
            yield tuple(group)
            group, pairs = [], 0
        group.append(case)
        pairs += len(case.templates)
    if group:
        yield tuple(group)


def _key(cases: Sequence[Case], keys: CloudKeys) -> str:
    parts = []
    for case in cases:
        images = None if case.volume is None else keys(case.volume)
        clouds = [keys(cloud) for cloud in (case.test, *case.templates)]
        about = (case.id, case.animal, case.group, case.split, case.protocol, case.oracle)
        parts.append((clouds, images, case.truth.names, case.truth.complete, about))
    return content_key(parts)
