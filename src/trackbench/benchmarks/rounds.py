"""What the rounds of a timing pass come to."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

__all__ = ["NEAREST", "Rounds", "pooled"]

NEAREST: Final = "nearest"
"""Name of the reference that is a matcher."""

DIGITS: Final = 5


@dataclass
class Rounds:
    """Times of one combination, a value a round.

    Parameters
    ----------
    seconds : list of float
        Batched, in s per volume.
    ratios : dict of str to list of float
        The same over the s of each kernel around it, and over `nearest` of the same round.
    singles : list of float
        One volume at a time, in s.
    """

    seconds: list[float] = field(default_factory=list)
    ratios: dict[str, list[float]] = field(default_factory=dict)
    singles: list[float] = field(default_factory=list)

    def add(self, seconds: float, references: dict[str, float]) -> None:
        """Add a round: s per volume, and the s of each reference."""
        self.seconds.append(seconds)
        for name, value in references.items():
            self.ratios.setdefault(name, []).append(seconds / value)

    def record(self) -> dict[str, Any]:
        """Give the figures and the rounds behind them, as plain values."""
        rounds = {
            "seconds": _rounded(self.seconds),
            "ratios": {name: _rounded(values) for name, values in self.ratios.items()},
            "singles": _rounded(self.singles),
        }
        return {
            "seconds_per_volume": float(np.median(self.seconds)),
            "p50_s": float(np.quantile(self.singles, 0.5)),
            "p99_s": float(np.quantile(self.singles, 0.99)),
            "repeats": len(self.seconds),
            "rounds": rounds,
        }


def pooled(first: dict[str, Any], second: dict[str, Any]) -> dict[str, Any]:
    """Join the rounds of two timing records of one combination; the rest is the second's."""
    if "rounds" not in first or "rounds" not in second:
        return second
    a, b = (Rounds(**record["rounds"]) for record in (first, second))
    ratios = {
        name: [*values, *b.ratios[name]] for name, values in a.ratios.items() if name in b.ratios
    }
    joined = dataclasses.replace(
        b, seconds=[*a.seconds, *b.seconds], ratios=ratios, singles=[*a.singles, *b.singles]
    )
    return {**second, **joined.record()}


def _rounded(values: list[float]) -> list[float]:
    return [float(f"{value:.{DIGITS}g}") for value in values]
