"""Shows a comparison: as text, as Markdown for a pull request, as JSON for programs."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict
from typing import TYPE_CHECKING, Final

from trackbench.benchmarks.combination import way
from trackbench.benchmarks.compare.verdict import (
    ACCURACY_EXPLAINED,
    SPEED_EXPLAINED,
    Line,
)

if TYPE_CHECKING:
    from trackbench.benchmarks.compare.verdict import Comparison

__all__ = ["as_json", "as_markdown", "as_text"]

HEADER: Final = (
    "combination",
    "protocol",
    "metric",
    "base",
    "head",
    "change",
    "p",
    "n",
    "accuracy",
    "s/volume",
    "ratio",
    "speed",
)


def as_json(comparison: Comparison) -> str:
    """Give every figure and verdict."""
    lines = [{**asdict(line), "regressed": line.regressed} for line in comparison.lines]
    document = {
        "regressed": comparison.regressed,
        "gates": comparison.gates.model_dump(),
        "lines": lines,
        "only_base": comparison.only_base,
        "only_head": comparison.only_head,
    }
    return json.dumps(document, indent=1, allow_nan=False)


def as_text(comparison: Comparison) -> str:
    """Give a table with aligned columns, and the verdict as its last line."""
    rows = [HEADER, *map(_cells, comparison.lines)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(HEADER))]
    table = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
    return "\n".join([*table, *_remarks(comparison), _conclusion(comparison)])


def as_markdown(comparison: Comparison) -> str:
    """Give a table that a forge renders under a pull request."""
    rows = [HEADER, ("---",) * len(HEADER), *map(_cells, comparison.lines)]
    table = ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]
    remarks = [f"- {remark}" for remark in _remarks(comparison)]
    return "\n".join([f"**{_conclusion(comparison)}**", "", *table, "", *remarks])


def _cells(line: Line) -> tuple[str, ...]:
    accuracy, speed = line.accuracy, line.speed
    units = f"{accuracy.n_units} {line.unit}s"
    return (
        way(*line.names[:3]),
        f"{line.names[4]} ({line.names[5]})",
        line.metric,
        _figure(accuracy.base, ".4f"),
        _figure(accuracy.head, ".4f"),
        _figure(accuracy.difference, "+.4f"),
        f"{accuracy.p:.2g}",
        f"{units}, {accuracy.n_needed} needed" if accuracy.status == "too few" else units,
        ACCURACY_EXPLAINED[accuracy.status],
        "-" if speed.head_s is None else f"{speed.head_s:.4g}",
        "-" if speed.ratio is None else f"{speed.ratio:.2f}x",
        SPEED_EXPLAINED[speed.status],
    )


def _figure(value: float | None, shape: str) -> str:
    return "-" if value is None else format(value, shape)


def _remarks(comparison: Comparison) -> list[str]:
    found = [
        f"only in {side}: {way(*names[:3])} on {names[4]} ({names[5]})"
        for side, missing in (("base", comparison.only_base), ("head", comparison.only_head))
        for names in missing
    ]
    unlike = Counter(str(item) for line in comparison.lines for item in line.speed.unlike)
    found += [f"{text}: {n} lines are held in accuracy alone" for text, n in unlike.items()]
    few = [line for line in comparison.lines if line.accuracy.status == "too few"]
    if few:
        found.append(
            f"{len(few)} lines have too few units for alpha = {comparison.gates.alpha}: "
            "this is no evidence that nothing changed"
        )
    return found


def _conclusion(comparison: Comparison) -> str:
    bad = [line for line in comparison.lines if line.regressed]
    gates = comparison.gates
    limits = f"gates: accuracy {gates.accuracy:+g}, seconds {gates.seconds:g}x"
    if bad:
        return f"{len(bad)} of {len(comparison.lines)} combinations regressed ({limits})"
    if comparison.undecided:
        return f"nothing could be decided ({limits})"
    return f"no regression in {len(comparison.lines)} combinations ({limits})"
