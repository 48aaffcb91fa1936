"""The settings of a registration."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

__all__ = ["LEAST", "Settings"]

LEAST: Final = 1e-9
"""Probability of what no volume votes for: its logarithm must be finite."""


@dataclass(frozen=True)
class Settings:
    """How a registration proceeds; lengths in µm.

    Parameters
    ----------
    rolls : int
        Starting poses about the long axis.
    modes : int
        Bending modes of a template.
    stiffness : float
        Weight of the bending energy.
    outliers : float
        Prior share of test neurons without partner.
    volume_um3 : float
        Volume over which such neurons are spread: a box around a head.
    widths_um : (3,) tuple
        Width of the Gaussians at the start, where poses are dropped, and at the end.
    steps : (2,) tuple
        Steps before and after that.
    keep : int
        Poses that are followed to the end.
    width_um : float
        Expected distance of partners once the template is bent.
    gate_um : float
        A pair further apart than this is no pair.
    voters : int
        How many volumes of a recording vote.
    rounds : int
        How often the volumes of a recording name each other.
    prefer_named : float
        Log-odds by which they prefer a named neuron to an unnamed one.
    """

    rolls: int = 1
    modes: int = 20
    stiffness: float = 3.0
    outliers: float = 0.1
    volume_um3: float = 7.2e5
    widths_um: tuple[float, float, float] = (8.0, 4.0, 1.5)
    steps: tuple[int, int] = (8, 10)
    keep: int = 2
    width_um: float = 1.5
    gate_um: float = 12.0
    voters: int = 30
    rounds: int = 3
    prefer_named: float = 3.0
