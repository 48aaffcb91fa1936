"""For plugin authors: named standard cases and the conformance checks of ``trackbench check``."""

from trackbench.testing.cases import STANDARD_CASES, StandardCase, toy_recording, toy_worm
from trackbench.testing.conformance import CHECKS, Check, Outcome, run_checks

__all__ = [
    "CHECKS",
    "STANDARD_CASES",
    "Check",
    "Outcome",
    "StandardCase",
    "run_checks",
    "toy_recording",
    "toy_worm",
]
