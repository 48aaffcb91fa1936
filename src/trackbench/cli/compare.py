"""``trackbench compare``: is head worse than base."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from trackbench.errors import NothingComparableError, RegressionError

if TYPE_CHECKING:
    from trackbench.benchmarks.compare.verdict import Comparison

__all__ = ["command", "conclude"]

PATH = click.Path(path_type=Path)


@click.command("compare")
@click.argument("base", type=PATH)
@click.argument("head", type=PATH)
@click.option("--gates", "gates_file", type=PATH, help="TOML: accuracy, seconds, alpha.")
@click.option(
    "--format", "shape", type=click.Choice(["table", "markdown", "json"]), default="table",
    show_default=True,
)  # fmt: skip
@click.option("--wilcoxon", is_flag=True, help="Wilcoxon's test instead of sign permutation.")
def command(base: Path, head: Path, gates_file: Path | None, shape: str, *, wilcoxon: bool) -> None:
    """Hold HEAD against BASE: each a result store, or a baseline file.

    Accuracy is paired by animal (permutation test, Holm over all combinations); speed is a ratio to
    calibration kernels and to `nearest` of the same run, so the machines may differ.

    \b
    Exit codes: 0 no gate is broken, 1 a regression, 2 wrong usage, 4 nothing comparable.
    """
    from trackbench.benchmarks.compare.gates import read_gates
    from trackbench.benchmarks.compare.resultset import read_results
    from trackbench.benchmarks.compare.verdict import compare

    gates = read_gates(gates_file)
    found = compare(read_results(base), read_results(head), gates, use_wilcoxon=wilcoxon)
    conclude(found, shape, f"{head} is worse than {base}")


def conclude(found: Comparison, shape: str, regression: str) -> None:
    """Print a comparison, and raise what its exit code needs.

    Raises
    ------
    RegressionError
        A gate is broken; `regression` says where.
    NothingComparableError
        No line could be decided.
    """
    from trackbench.benchmarks.compare import render

    show = {"table": render.as_text, "markdown": render.as_markdown, "json": render.as_json}
    click.echo(show[shape](found))
    if found.regressed:
        raise RegressionError(regression, "the table above says where")
    if found.undecided:
        raise NothingComparableError("no line could be decided", "compare on more animals")
