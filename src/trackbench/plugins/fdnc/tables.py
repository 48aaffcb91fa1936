"""Tables of scores of several tests: on the native kernels where there are any, else in numpy."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from trackbench.plugins.fdnc import native_refine, normalise, refine
from trackbench.plugins.fdnc.kernels import library

if TYPE_CHECKING:
    from collections.abc import Sequence

    from trackbench.plugins.fdnc.normalise import Floats
    from trackbench.plugins.fdnc.refine import Bendable, Refined, Refinement

__all__ = ["certainty", "log_posteriors", "refined_all", "shifted_all"]


def shifted_all(tables: Sequence[Floats], template_alone: Floats) -> list[Floats]:
    """Do as `normalise.shifted` with the table of every test."""
    if library() is None:
        return [normalise.shifted(table, template_alone) for table in tables]
    return native_refine.shifted_all(tables, template_alone, torch.get_num_threads())


def certainty(scores: Floats) -> float:
    """Do as `normalise.certainty`."""
    if library() is None:
        return normalise.certainty(scores)
    return native_refine.certainty(scores)


def refined_all(
    tests: Sequence[tuple[Floats, Floats]], template: Bendable, settings: Refinement
) -> list[Refined]:
    """Do as `refine.refined` with the scores and points of every test."""
    if library() is None:
        return [refine.refined(scores, points, template, settings) for scores, points in tests]
    return native_refine.refined_all(tests, template, settings, torch.get_num_threads())


def log_posteriors(tests: Sequence[Floats]) -> list[Floats]:
    """Do as `normalise.log_posterior` with the scores of every test."""
    if library() is None:
        return [normalise.log_posterior(scores) for scores in tests]
    return native_refine.log_posteriors(tests, torch.get_num_threads())
