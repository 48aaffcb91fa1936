"""What the harness writes down: one row a case, with what was predicted for each neuron."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "CONTAMINATED",
    "CRASHED",
    "FAILED",
    "FAILURES",
    "OK",
    "OUT_OF_MEMORY",
    "SCORED",
    "SKIPPED",
    "STATUSES",
    "TIMED_OUT",
    "CellRecord",
    "Failure",
    "Prediction",
    "Row",
]

OK: Final = "ok"
CONTAMINATED: Final = "contaminated"
"""Scored, but the plugin's weights saw the test worm: shown, never in a headline."""
SKIPPED: Final = "skipped"
FAILED: Final = "failed"
TIMED_OUT: Final = "timed out"
CRASHED: Final = "crashed"
OUT_OF_MEMORY: Final = "out of memory"
STATUSES: Final = (OK, CONTAMINATED, SKIPPED, FAILED, TIMED_OUT, CRASHED, OUT_OF_MEMORY)
SCORED: Final = frozenset({OK, CONTAMINATED})
FAILURES: Final = frozenset({FAILED, TIMED_OUT, CRASHED, OUT_OF_MEMORY})


@dataclass(frozen=True)
class Failure:
    """Why there is no prediction.

    Parameters
    ----------
    status : str
        One of `STATUSES`.
    reason : str
        One line.
    log : str
        Traceback or what the worker printed last.
    """

    status: str
    reason: str
    log: str = ""


@dataclass(frozen=True)
class Prediction:
    """What was said of each neuron of a test, and what a person said: all that metrics need.

    All fields have one entry a neuron.

    Parameters
    ----------
    truth : tuple of str
        "" where unlabeled.
    name : tuple of str
        After the one-to-one assignment; "" where abstained.
    probability : tuple of float
        Of `name`.
    argmax : tuple of str
        The best candidate of the row by itself; "" where that is 'none' or has no name.
    top : tuple of tuples of str
        Up to five best candidates, the best first.
    log_p_true : tuple of (float or None)
        Natural log-probability of the true name; None where it is no candidate.
    in_template : tuple of bool
        Whether the first template has a neuron of the true name.
    """

    truth: tuple[str, ...]
    name: tuple[str, ...]
    probability: tuple[float, ...]
    argmax: tuple[str, ...]
    top: tuple[tuple[str, ...], ...]
    log_p_true: tuple[float | None, ...]
    in_template: tuple[bool, ...]

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Prediction:
        """Read what JSON made of the fields of a prediction."""
        top = tuple(tuple(names) for names in data["top"])
        return cls(**{key: tuple(value) for key, value in data.items()} | {"top": top})


@dataclass(frozen=True)
class Row:
    """One case under one combination.

    Parameters
    ----------
    case, animal, group : str
    status : str
        One of `STATUSES`.
    reason, log : str
        Why the case was skipped or failed, and what was printed.
    notes : tuple of str
        What readers mended in the inputs.
    oracle : bool
        Whether the inputs or a plugin knew of the true names.
    n_points, n_templates : int
    prediction : Prediction, optional
        Where the status is a scored one.
    detection : dict of str to (float or None), optional
        Scores of the segmenter (`metrics.detection`), where one found the points.
    """

    case: str
    animal: str
    group: str
    status: str
    reason: str = ""
    log: str = ""
    notes: tuple[str, ...] = ()
    oracle: bool = False
    n_points: int = 0
    n_templates: int = 0
    prediction: Prediction | None = None
    detection: Mapping[str, float | None] | None = None

    def to_json(self) -> dict[str, Any]:
        """Give what JSON takes, without copying it."""
        found = self.prediction
        return vars(self) | {"prediction": None if found is None else vars(found)}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Row:
        """Read what `to_json` and JSON made of a row."""
        found = data["prediction"]
        prediction = None if found is None else Prediction.from_json(found)
        return cls(**data | {"prediction": prediction, "notes": tuple(data["notes"])})


@dataclass(frozen=True)
class CellRecord:
    """The rows of one cell: a combination on one chunk of cases.

    Parameters
    ----------
    key : str
        Content key of everything that the rows depend on.
    rows : tuple of Row
        In the order of the chunk.
    """

    key: str
    rows: tuple[Row, ...]

    @property
    def failed(self) -> bool:
        """Whether any row is a failure."""
        return any(row.status in FAILURES for row in self.rows)

    def to_json(self) -> dict[str, Any]:
        """Give what JSON takes, without copying it."""
        return {"key": self.key, "rows": [row.to_json() for row in self.rows]}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> CellRecord:
        """Read what `to_json` and JSON made of a record."""
        return cls(data["key"], tuple(Row.from_json(row) for row in data["rows"]))
