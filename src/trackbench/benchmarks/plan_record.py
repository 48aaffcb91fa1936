"""What the store remembers of a plan: enough to collect and score its cells later."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from trackbench.core.keys import content_key

if TYPE_CHECKING:
    from trackbench.benchmarks.combination import Combination
    from trackbench.benchmarks.plan import Part, Plan

__all__ = ["plan_record"]


def plan_record(plan: Plan) -> dict[str, Any]:
    """Give plain values: parts with their protocol, chunks and combinations."""
    parts = [_part(part) for part in plan.parts]
    record = {"seed": plan.seed, "parts": parts}
    return {"key": content_key(record), **record}


def _part(part: Part) -> dict[str, Any]:
    task = part.task
    return {
        "dataset": str(task.dataset),
        "protocol": dataclasses.asdict(task.protocol),
        "split": task.split,
        "n_cases": len(task.cases),
        "n_expected": task.n_expected,
        "chunks": [{"key": chunk.key, "n_cases": len(chunk.cases)} for chunk in part.chunks],
        "combinations": [_combination(item) for item in part.combinations],
    }


def _combination(item: Combination) -> dict[str, Any]:
    segmenter, matcher, labeler = item.names
    way = {"segmenter": segmenter, "matcher": matcher, "labeler": labeler, "key": item.key}
    return way | ({"computed_by": dict(item.computed_by)} if item.computed_by else {})
