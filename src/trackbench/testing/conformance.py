"""What every plugin must hold, as checks that its author can run: ``trackbench check NAME``.

A check that a plugin fails by design is declared in the class with the reason,
``expected_failures = {"rotation": "..."}``; a declared check that passes after all is an error, so
that declarations don't rot.
"""

from __future__ import annotations

import traceback
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

from trackbench.testing import dataset_checks, labeler_checks, matcher_checks, segmenter_checks
from trackbench.testing.common_checks import COMMON

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from trackbench.core.plugin import Plugin
    from trackbench.core.registry import Registered

__all__ = ["CHECKS", "Check", "Outcome", "run_checks"]

Status = Literal["ok", "failed", "expected failure", "unexpected pass"]


@dataclass(frozen=True)
class Check:
    """One property: its name, what it says, and a function that raises where it doesn't hold."""

    name: str
    says: str
    run: Callable[[type[Plugin[Any]]], None]


@dataclass(frozen=True)
class Outcome:
    """What a check found."""

    check: Check
    status: Status
    reason: str = ""

    @property
    def good(self) -> bool:
        """Whether the plugin conforms in this respect."""
        return self.status in {"ok", "expected failure"}


def _checks(functions: tuple[Callable[[type[Plugin[Any]]], None], ...]) -> tuple[Check, ...]:
    return tuple(
        Check(
            function.__name__.removeprefix("check_"),
            (function.__doc__ or "").strip().split("\n")[0],
            function,
        )
        for function in functions
    )


CHECKS: Final[dict[str, tuple[Check, ...]]] = {
    "matcher": _checks((*COMMON, *matcher_checks.CHECKS)),
    "labeler": _checks((*COMMON, *labeler_checks.CHECKS)),
    "segmenter": _checks((*COMMON, *segmenter_checks.CHECKS)),
    "dataset": _checks((*COMMON, *dataset_checks.CHECKS)),
}
"""All checks by kind of plugin."""


def run_checks(registered: Registered) -> Iterator[Outcome]:
    """Run every check on a plugin with its default config; never raises for the plugin's fault."""
    declared = registered.cls.expected_failures
    for check in CHECKS[registered.kind]:
        reason = ""
        try:
            check.run(registered.cls)
        except Exception as error:  # noqa: BLE001  whatever a plugin raises is its finding
            reason = f"{type(error).__name__}: {error}".strip()
            if not isinstance(error, AssertionError):
                reason += f"  (at {_where(error)})"
        yield _outcome(check, reason, declared.get(check.name))


def _outcome(check: Check, reason: str, declared: str | None) -> Outcome:
    if not reason:
        return Outcome(check, "unexpected pass" if declared else "ok", declared or "")
    return Outcome(check, "expected failure" if declared else "failed", declared or reason)


def _where(error: Exception) -> str:
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"{frame.name}, line {frame.lineno}"
