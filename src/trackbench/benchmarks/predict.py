"""Turns labels and their table into what metrics need."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from trackbench.benchmarks.record import Prediction
from trackbench.core.assignment import row_argmax
from trackbench.core.types import ANONYMOUS

if TYPE_CHECKING:
    from trackbench.core.types import Case, Evidence, Labels

__all__ = ["predict"]

LOWEST_LOG_P: Final = -100.0
"""Stands for minus infinity, which JSON has no number for."""


def predict(
    case: Case, labels: Labels, evidence: Evidence, missed: tuple[str, ...] = ()
) -> Prediction:
    """Put predictions beside the truth, one entry a neuron.

    Parameters
    ----------
    case : Case
        With its truth.
    labels : Labels
        After the assignment.
    evidence : Evidence
        The table before it.
    missed : tuple of str
        True names of neurons that no segmenter found; they get no name.
    """
    truth = (*case.truth.names, *missed)
    in_template = {name for cloud in case.templates[:1] for name in cloud.names or () if name}
    nothing = ("",) * len(missed)
    return Prediction(
        truth=truth,
        name=(*labels.names, *nothing),
        probability=(*map(float, labels.probability), *(0.0 for _ in missed)),
        argmax=(*_argmax_names(evidence), *nothing),
        top=(*labels.top_names, *(() for _ in missed)),
        log_p_true=(*_log_p_true(evidence, case.truth.names), *(None for _ in missed)),
        in_template=tuple(name in in_template for name in truth),
    )


def _argmax_names(evidence: Evidence) -> list[str]:
    names = [evidence.names[j] if j >= 0 else "" for j in row_argmax(evidence.log_p)]
    return ["" if name.startswith(ANONYMOUS) else name for name in names]


def _log_p_true(evidence: Evidence, truth: tuple[str, ...]) -> list[float | None]:
    column = {name: j for j, name in enumerate(evidence.names)}
    return [
        max(float(evidence.log_p[i, column[name]]), LOWEST_LOG_P) if name in column else None
        for i, name in enumerate(truth)
    ]
