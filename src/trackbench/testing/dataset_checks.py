"""Checks for datasets that need no files."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any, Final

from trackbench.core.keys import content_key
from trackbench.core.types import Case

if TYPE_CHECKING:
    from collections.abc import Callable

    from trackbench.core.plugin import Dataset, Plugin

__all__ = ["CHECKS"]

FIRST: Final = 3


def _first_cases(dataset: Dataset[Any]) -> list[Case]:
    protocol = dataset.protocols()[0]
    cases = dataset.cases(protocol.name, protocol.splits[0], None)
    return list(itertools.islice(cases, FIRST))


def check_protocols(cls: type[Plugin[Any]]) -> None:
    """There is a protocol, each with a name, a line of description and a metric."""
    dataset: Any = cls()
    protocols = dataset.protocols()
    assert protocols, "there is no protocol"
    for protocol in protocols:
        assert protocol.name, "a protocol has no name"
        assert protocol.description, f"{protocol.name} has no description"
        assert protocol.metric, f"{protocol.name} has no metric"
        assert protocol.splits, f"{protocol.name} has no split"


def check_cases(cls: type[Plugin[Any]]) -> None:
    """A generated dataset gives the same cases each time it is asked."""
    dataset: Any = cls()
    if getattr(dataset, "source", None) is not None:
        return
    one, other = _first_cases(cls()), _first_cases(cls())  # type: ignore[arg-type]
    assert one, "there is no case"
    assert all(isinstance(case, Case) for case in one), "cases must be trackbench.Case"
    assert content_key(one) == content_key(other), "two runs give other cases"


CHECKS: Final[tuple[Callable[[type[Plugin[Any]]], None], ...]] = (check_protocols, check_cases)
