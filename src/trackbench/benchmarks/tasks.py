"""Finds the cases that a user asks for: datasets, protocols and splits by name."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from trackbench.core.spec import Spec
from trackbench.datasets.locate import locate
from trackbench.errors import InputError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path
    from typing import Any

    from trackbench.core.plugin import Dataset, Protocol
    from trackbench.core.registry import Registry
    from trackbench.core.types import Case

__all__ = ["Task", "choose", "load_task"]


@dataclass(frozen=True)
class Task:
    """The cases of one protocol and split.

    Parameters
    ----------
    dataset : Spec
    protocol : Protocol
    split : str
    cases : tuple of Case
    n_expected : int, optional
        How many cases the complete public dataset has.
    """

    dataset: Spec
    protocol: Protocol
    split: str
    cases: tuple[Case, ...]
    n_expected: int | None

    def default_labeler(self, registry: Registry) -> tuple[Spec, ...]:
        """Give `vote` where a case has several templates, else `transfer`."""
        several = any(len(case.templates) > 1 for case in self.cases)
        return (Spec("vote" if several and "vote" in registry.labelers() else "transfer"),)


def choose(
    registry: Registry, datasets: Sequence[Spec], protocols: Sequence[str]
) -> list[tuple[Spec, Protocol]]:
    """Say which protocols of which datasets are meant.

    Parameters
    ----------
    datasets : sequence of Spec
        Empty for the datasets that have the protocols.
    protocols : sequence of str
        Empty for the first protocol of each dataset.

    Raises
    ------
    UsageError
        A name that isn't there: the nearest is suggested.
    """
    specs = list(datasets) or [Spec(name) for name in registry.datasets()]
    offered = [(spec, _dataset(registry, spec).protocols()) for spec in specs]
    if not protocols:
        return [(spec, known[0]) for spec, known in offered]
    chosen = []
    for name in protocols:
        found = [(spec, item) for spec, known in offered for item in known if item.name == name]
        if not found:
            names = [item.name for _, known in offered for item in known]
            near = difflib.get_close_matches(name, names, n=1)
            mend = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(names)}"
            raise UsageError(f"no protocol is named {name!r}", mend)
        chosen += found
    return chosen


def load_task(
    registry: Registry,
    spec: Spec,
    protocol: Protocol,
    *,
    split: str | None = None,
    data_dir: Path | None = None,
    seed: int = 0,
    offline: bool = False,
    progress: Callable[[int], None] | None = None,
) -> Task:
    """Read the cases of one protocol; download its files if need be, unless `offline`.

    `progress` is told of the bytes as they arrive.

    Raises
    ------
    UsageError
        A split that the protocol doesn't have.
    InputError
        Files that aren't there or can't be used, or a case that stands twice.
    """
    split = split or protocol.splits[0]
    if split not in protocol.splits:
        raise UsageError(
            f"protocol {protocol.name!r} has no split {split!r}",
            f"there are: {', '.join(protocol.splits)}",
        )
    dataset = _dataset(registry, spec, seed)
    section = dataset.source(protocol.name)
    root = section and locate(section, data_dir=data_dir, offline=offline, progress=progress)
    cases = tuple(dataset.cases(protocol.name, split, root or None))
    _check(cases, f"{spec} {protocol.name} {split}")
    return Task(spec, protocol, split, cases, dataset.expected_cases(protocol.name, split))


def _check(cases: Iterable[Case], who: str) -> None:
    seen: set[str] = set()
    for case in cases:
        if case.id in seen:
            raise InputError(f"{who}: two cases are named {case.id!r}", "give each its own id")
        seen.add(case.id)
    if not seen:
        raise InputError(f"{who}: no cases", "choose another split or data directory")


def _dataset(registry: Registry, spec: Spec, seed: int = 0) -> Dataset[Any]:
    return cast("Dataset[Any]", registry.create("dataset", spec, seed))
