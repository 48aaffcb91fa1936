"""The history of a store or a branch: JSON lines, one a run, and the levels in it."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import IO, TYPE_CHECKING, Any, Final

import numpy as np

from trackbench import __version__
from trackbench.benchmarks.changepoints import change_points
from trackbench.benchmarks.machine import machine_record
from trackbench.errors import InputError, StoreError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from trackbench.benchmarks.summary import SummaryRow

__all__ = ["ACCURACY", "HISTORY", "SPEED", "Point", "Series", "append_run", "read_history"]

HISTORY: Final = "history.jsonl"
"""Name of the file in a store."""

SCHEMA: Final = 1
ACCURACY: Final = "accuracy"
SPEED: Final = "speed"
LEAST_ACCURACY: Final = 0.001
LEAST_SPEED: Final = 0.03
"""Standard deviations that are believed at least: of a mean score, of the logarithm of a ratio."""


@dataclass(frozen=True)
class Point:
    """One run in a series.

    Parameters
    ----------
    time : str
        UTC, ISO 8601, to the second.
    revision : str
        The commit of the working folder; the version of trackbench where there is none.
    value : float
    n_cases : int
        Behind the value.
    """

    time: str
    revision: str
    value: float
    n_cases: int


@dataclass(frozen=True)
class Series:
    """One figure of one combination through all runs that have it.

    Parameters
    ----------
    names : tuple of str
        Segmenter, matcher, labeler, dataset, protocol, split.
    metric : str
        The protocol's headline metric.
    kind : str
        `ACCURACY`: the mean score. `SPEED`: s/volume over the s of the calibration kernels in the
        same process, so that machines can be told apart from changes.
    points : tuple of Point
        The oldest first.
    changes : tuple of int
        Index of the first point of each new level; see `changepoints`.
    """

    names: tuple[str, str, str, str, str, str]
    metric: str
    kind: str
    points: tuple[Point, ...]
    changes: tuple[int, ...]


def append_run(path: Path, rows: Sequence[SummaryRow]) -> None:
    """Add a run to a history as one line; earlier lines stay as they are.

    Parameters
    ----------
    path : Path
        Made where it isn't there.
    rows : sequence of SummaryRow
        Of the run; marked rows (oracle, contaminated) and other metrics than the headline's stay
        out.

    Raises
    ------
    StoreError
        The file can't be written.
    """
    results = [_result(row) for row in rows if row.headline and row.mean is not None]
    if not results:
        return
    record = {
        "schema": SCHEMA,
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "trackbench": __version__,
        "revision": _revision(),
        "processor": machine_record()["processor"],
        "results": results,
    }
    line = json.dumps(record, separators=(",", ":"), allow_nan=False)
    try:
        with path.open("a+b") as file:
            file.write(f"{_line_break(file)}{line}\n".encode())
    except OSError as error:
        raise StoreError(
            f"can't write {path} ({error.strerror})", "choose another history file"
        ) from error


def read_history(path: Path) -> list[Series]:
    """Read all series of a history with their changes of level; none where there is no file.

    A line that a kill cut short is left out.

    Raises
    ------
    InputError
        A file of another kind or schema.
    """
    if not path.exists():
        return []
    grouped: dict[tuple[Any, ...], list[Point]] = {}
    for record in _records(path):
        revision = record["revision"] or record["trackbench"]
        for item in record["results"]:
            key = (tuple(item["names"]), item["metric"])
            for kind, value in ((ACCURACY, item["mean"]), (SPEED, item["speed"])):
                if value is not None:
                    point = Point(record["time"], revision, value, item["n_cases"])
                    grouped.setdefault((*key, kind), []).append(point)
    return [
        Series(names, metric, kind, tuple(points), _changes(kind, points))
        for (names, metric, kind), points in grouped.items()
    ]


def _changes(kind: str, points: Sequence[Point]) -> tuple[int, ...]:
    values = np.array([point.value for point in points])
    if kind == SPEED:
        return change_points(np.log(values), LEAST_SPEED)
    return change_points(values, LEAST_ACCURACY)


def _result(row: SummaryRow) -> dict[str, Any]:
    timing = row.timing or {}
    seconds, kernel = timing.get("seconds_per_volume"), timing.get("calibration_s")
    return {
        "names": [
            row.segmenter,
            row.matcher,
            row.labeler,
            row.dataset,
            row.protocol,
            row.split,
        ],
        "metric": row.metric,
        "mean": row.mean,
        "n_cases": row.n_cases,
        "seconds_per_volume": seconds,
        "speed": seconds / kernel if seconds and kernel else None,
    }


def _line_break(file: IO[bytes]) -> str:
    """Give what must come before a new line: a break, where a kill cut the last one short."""
    if not file.seek(0, os.SEEK_END):
        return ""
    file.seek(-1, os.SEEK_END)
    return "" if file.read(1) == b"\n" else "\n"


def _records(path: Path) -> list[dict[str, Any]]:
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    read = [_record(line) for line in lines]
    found = [record for record in read if record is not None]
    if lines and not found:
        raise InputError(f"{path} is no history", "give a file that trackbench run --history made")
    for record in found:
        if record["schema"] != SCHEMA:
            raise InputError(
                f"{path} has runs of schema {record['schema']}, this is {SCHEMA}",
                "use the trackbench that wrote it, or begin a new file",
            )
    return found


def _record(line: str) -> dict[str, Any] | None:
    """Read one run; None for what a kill cut short."""
    try:
        record = json.loads(line)
    except ValueError:
        return None
    return record if isinstance(record, dict) and {"schema", "results"} <= record.keys() else None


def _revision() -> str | None:
    """Give the commit of the working folder, "+" where files differ from it; None outside git."""
    try:
        told = subprocess.run(
            ["git", "describe", "--always", "--dirty=+", "--abbrev=10", "--exclude=*"],  # noqa: S607
            capture_output=True,
            text=True,
            check=True,
            timeout=10,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return told.stdout.strip() or None
