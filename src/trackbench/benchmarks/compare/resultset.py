"""What two runs are compared by: a score a unit, and seconds beside two references."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from trackbench.benchmarks.collect import collect
from trackbench.benchmarks.record import CONTAMINATED, SCORED
from trackbench.benchmarks.store import Store
from trackbench.benchmarks.timing import read_timing
from trackbench.errors import InputError

if TYPE_CHECKING:
    from trackbench.benchmarks.collect import Group

__all__ = ["BASELINE_SCHEMA", "Measured", "Names", "Speed", "read_results", "write_baseline"]

BASELINE_SCHEMA: Final = 1
MAX_BASELINE_BYTES: Final = 64 * 2**20
DIGITS: Final = 6

Names = tuple[str, str, str, str, str, str]
"""Segmenter, matcher, labeler, dataset, protocol, split."""


@dataclass(frozen=True)
class Speed:
    """Seconds per volume and what was measured beside it in the same process.

    Parameters
    ----------
    seconds : float
        Per volume, in s.
    calibration_s : float
        The calibration kernel, in s.
    nearest_s : float, optional
        `nearest` on the same cases, in s per volume.
    """

    seconds: float
    calibration_s: float
    nearest_s: float | None = None


@dataclass(frozen=True)
class Measured:
    """One combination on one protocol.

    Parameters
    ----------
    names : Names
    metric : str
        The protocol's headline metric.
    unit : str
        "animal", or "case" where there is one animal alone.
    by_unit : dict of str to float
        Mean score of each unit.
    oracle, contaminated : bool
        Whether any row is marked so.
    n_failed : int
        Rows without a score for a plugin's fault.
    speed : Speed, optional
    """

    names: Names
    metric: str
    unit: str
    by_unit: dict[str, float]
    oracle: bool
    contaminated: bool
    n_failed: int
    speed: Speed | None

    @property
    def mean(self) -> float:
        """Mean over units; NaN where there is none."""
        return float(np.mean(list(self.by_unit.values()))) if self.by_unit else float("nan")


def read_results(path: Path) -> dict[Names, Measured]:
    """Read a result store (a folder) or a committed baseline (a JSON file).

    Raises
    ------
    InputError
        Neither, or a file of another kind.
    StoreError
        A folder that is no result store.
    """
    if path.is_dir():
        with Store.reading(path) as store:
            return {item.names: item for item in map(_measured(store), collect(store))}
    if not path.is_file():
        raise InputError(f"{path} is not there", "give a result store or a baseline file")
    return _read_baseline(path)


def write_baseline(path: Path, results: dict[Names, Measured]) -> None:
    """Write a small file to commit: scores by unit, rounded, and speeds. Replaced atomically."""
    from trackbench.benchmarks.atomic import write_text

    items = [asdict(results[names]) for names in sorted(results)]
    for item in items:
        item["by_unit"] = {unit: round(x, DIGITS) for unit, x in sorted(item["by_unit"].items())}
    document = {"trackbench_baseline": BASELINE_SCHEMA, "results": items}
    write_text(path, json.dumps(document, indent=1) + "\n")


def _read_baseline(path: Path) -> dict[Names, Measured]:
    who = f"{path} is no baseline"
    mend = "write one with trackbench baseline update"
    if path.stat().st_size > MAX_BASELINE_BYTES:
        raise InputError(f"{who}: {path.stat().st_size} bytes", mend)
    try:
        document = json.loads(path.read_text())
        schema = document["trackbench_baseline"]
        if schema != BASELINE_SCHEMA:
            raise InputError(f"{path} has schema {schema}, this is {BASELINE_SCHEMA}", mend)
        found = [_from_json(item) for item in document["results"]]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{who} ({type(error).__name__}: {error})", mend) from None
    return {item.names: item for item in found}


def _from_json(item: dict[str, Any]) -> Measured:
    segmenter, matcher, labeler, dataset, protocol, split = map(str, item["names"])
    scores = {str(unit): float(value) for unit, value in item["by_unit"].items()}
    speed = item["speed"]
    return Measured(
        (segmenter, matcher, labeler, dataset, protocol, split),
        str(item["metric"]),
        str(item["unit"]),
        scores,
        bool(item["oracle"]),
        bool(item["contaminated"]),
        int(item["n_failed"]),
        None if speed is None else Speed(**speed),
    )
