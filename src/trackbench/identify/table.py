"""The table of one named worm, as CSV."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

from trackbench.identify.naming import CANDIDATES

if TYPE_CHECKING:
    from pathlib import Path

    from trackbench.core.types import Labels
    from trackbench.identify.naming import Identification

__all__ = ["COLUMNS", "write_table"]

COLUMNS = (
    "z_um",
    "y_um",
    "x_um",
    "name",
    "probability",
    *(f"{field}_{i}" for i in range(1, CANDIDATES + 1) for field in ("candidate", "p")),
)


def write_table(path: Path, found: Identification, labels: Labels) -> None:
    """Write one row a neuron, in the order of the worm's file.

    Parameters
    ----------
    path : Path
    found : Identification
    labels : Labels
        After abstention: a neuron without a name has a blank one and probability 0; its five
        candidates stand there all the same.
    """
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        rows = zip(found.worm.zyx_um, labels.names, labels.probability, strict=True)
        for (position, name, probability), best in zip(rows, found.candidates(), strict=True):
            padded = [*best, *[("", 0.0)] * (CANDIDATES - len(best))]
            writer.writerow(
                [
                    *(f"{value:.3f}" for value in position),
                    name,
                    f"{probability:.4f}",
                    *(cell for candidate, p in padded for cell in (candidate, f"{p:.4f}")),
                ]
            )
