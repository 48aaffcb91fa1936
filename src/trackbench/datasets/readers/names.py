"""The rules by which a published file's neuron names become ours."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trackbench.core.types import ANONYMOUS

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["clean_names"]


def clean_names(raw: Iterable[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Clean the names of one worm, and say what had to be mended.

    A trailing question mark (an uncertain name) is dropped, as the preparation of WormND does;
    a question mark elsewhere makes the neuron unlabeled. Of a name that stands twice the first
    neuron keeps it and the later ones count as unlabeled.

    Parameters
    ----------
    raw : iterable of str
        As the file has them; "" or "nan" where unlabeled.

    Returns
    -------
    names : tuple of str
        "" where unlabeled; no name stands twice.
    notes : tuple of str
        One line for each kind of mend.
    """
    names: list[str] = []
    seen: set[str] = set()
    twice, unclear, uncertain = [], [], []
    for text in raw:
        name = text.strip()
        if name.endswith(ANONYMOUS) and name.strip(ANONYMOUS):
            uncertain.append(name)
            name = name.rstrip(ANONYMOUS).rstrip()
        if name.lower() == "nan":
            name = ""
        if ANONYMOUS in name:
            unclear.append(name)
            name = ""
        if name in seen:
            twice.append(name)
            name = ""
        if name:
            seen.add(name)
        names.append(name)
    lines = (
        ("stands more than once: the later neuron counts as unlabeled", twice),
        ("is not a name: the neuron counts as unlabeled", unclear),
        ("is uncertain: the question mark was dropped", uncertain),
    )
    notes = tuple(f"{', '.join(sorted(found))} {line}" for line, found in lines if found)
    return tuple(names), notes
