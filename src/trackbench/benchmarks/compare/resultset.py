"""What two runs are compared by: a score a unit, and seconds beside two references."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from trackbench.benchmarks.atomic import make_folder, write_atomically
from trackbench.benchmarks.backends import backends_from_json
from trackbench.benchmarks.collect import collect
from trackbench.benchmarks.record import CONTAMINATED, FAILURES, OK, SCORED
from trackbench.benchmarks.store import Store
from trackbench.benchmarks.timing import read_rounds
from trackbench.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

    from trackbench.benchmarks.backends import Backends
    from trackbench.benchmarks.collect import Group, GroupHead

__all__ = [
    "BASELINE_SCHEMA",
    "DIGITS",
    "Measured",
    "Names",
    "Speed",
    "names_of",
    "read_results",
    "write_baseline",
]

BASELINE_SCHEMA: Final = 1
MAX_BASELINE_BYTES: Final = 64 * 2**20
DIGITS: Final = 6
"""Decimals of the scores in a baseline."""

Names = tuple[str, str, str, str, str, str]
"""Segmenter, matcher, labeler, dataset, protocol, split."""


Ratio = tuple[float, float]
"""Seconds over those of a reference: lower quartile and median over the rounds of a timing pass."""


@dataclass(frozen=True)
class Speed:
    """Seconds per volume and what was measured beside it in the same process.

    Parameters
    ----------
    seconds : float
        Per volume, in s.
    calibration_s : float
        All calibration kernels, in s.
    nearest_s : float, optional
        `nearest` on the same cases, in s per volume.
    references : dict of str to (float, float)
        What was measured side by side, round by round (kernels, `nearest`): its s such that
        `seconds` over it is the median ratio, and the lower quartile of the ratios over their
        median.
    """

    seconds: float
    calibration_s: float
    nearest_s: float | None = None
    references: dict[str, tuple[float, float]] = field(default_factory=dict)

    def beside(self) -> dict[str, Ratio]:
        """Give the ratio to each reference; of the whole pass where no rounds are known."""
        whole = {"calibration": (self.calibration_s, 1.0), "nearest": (self.nearest_s, 1.0)}
        return {
            name: (self.seconds / value * quick, self.seconds / value)
            for name, (value, quick) in (self.references or whole).items()
            if value
        }


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
    computed_by : dict of str to Backend
        Plugin and what computed it, of those that have a choice; empty where that isn't known.
    """

    names: Names
    metric: str
    unit: str
    by_unit: dict[str, float]
    oracle: bool
    contaminated: bool
    n_failed: int
    speed: Speed | None
    computed_by: Backends = field(default_factory=dict)

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
        store = Store.open(path)
        return {item.names: item for item in (_measure(store, group) for group in collect(store))}
    if not path.is_file():
        raise InputError(f"{path} is not there", "give a result store or a baseline file")
    return _read_baseline(path)


def names_of(head: GroupHead) -> Names:
    """Give what tells the groups of two result sets apart."""
    way = (head.segmenter, head.matcher, head.labeler)
    return (*way, head.dataset, head.protocol.name, head.split)


def write_baseline(path: Path, results: dict[Names, Measured]) -> None:
    """Write a small file to commit: scores by unit, rounded, and speeds. Replaced atomically."""
    items = [asdict(results[names]) for names in sorted(results)]
    for item in items:
        item["by_unit"] = {unit: round(x, DIGITS) for unit, x in sorted(item["by_unit"].items())}
        if not item["computed_by"]:
            del item["computed_by"]
    document = {"trackbench_baseline": BASELINE_SCHEMA, "results": items}
    text = json.dumps(document, indent=1, allow_nan=False) + "\n"
    make_folder(path.parent)
    write_atomically(path, lambda file: file.write(text.encode()))


def _measure(store: Store, group: Group) -> Measured:
    head = group.head
    pairs = list(zip(group.rows, group.scores, strict=True))
    clean = [(row, s) for row, s in pairs if row.status == OK and not row.oracle and s is not None]
    counted = clean or [(row, s) for row, s in pairs if row.status in SCORED and s is not None]
    unit = "animal" if len({row.animal for row, _ in counted}) > 1 else "case"
    values: dict[str, list[float]] = {}
    for row, score in counted:
        value = score.values.get(head.protocol.metric)
        if value is not None:
            values.setdefault(row.animal if unit == "animal" else row.case, []).append(value)
    return Measured(
        names=names_of(head),
        metric=head.protocol.metric,
        unit=unit,
        by_unit={name: float(np.mean(found)) for name, found in sorted(values.items())},
        oracle=any(row.oracle for row, _ in counted),
        contaminated=any(row.status == CONTAMINATED for row, _ in counted),
        n_failed=sum(row.status in FAILURES for row in group.rows),
        speed=_speed(read_rounds(store, head)),
        computed_by=head.computed_by,
    )


def _speed(timing: dict[str, Any] | None) -> Speed | None:
    if timing is None:
        return None
    rounds = timing.get("rounds", {}).get("ratios", {})
    seconds = timing["seconds_per_volume"]
    references = {name: _reference(seconds, values) for name, values in rounds.items() if values}
    return Speed(seconds, timing["calibration_s"], timing.get("nearest_s"), references)


def _reference(seconds: float, ratios: list[float]) -> tuple[float, float]:
    low, middle = np.quantile(ratios, (0.25, 0.5))
    return float(f"{seconds / middle:.5g}"), float(f"{low / middle:.4g}")


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
        None if speed is None else _speed_from_json(speed),
        backends_from_json(item.get("computed_by", {})),
    )


def _speed_from_json(speed: dict[str, Any]) -> Speed:
    references = {
        str(name): (float(seconds), float(quick))
        for name, (seconds, quick) in speed.get("references", {}).items()
    }
    return Speed(**{**speed, "references": references})
