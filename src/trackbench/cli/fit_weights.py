"""``trackbench fit-weights``: how much each labeler counts in a sum."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from trackbench.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from trackbench.benchmarks.weighing import Weighing
    from trackbench.core.spec import Spec

__all__ = ["command"]


@click.command("fit-weights")
@click.argument("labelers", metavar="SUM")
@click.option("--matcher", help="For labelers that need matches, such as vote.")
@click.option("--dataset", default="neuropal", show_default=True)
@click.option("--protocol", default="wormnd", show_default=True)
@click.option(
    "--split", type=click.Choice(["train", "validation"]), default="validation", show_default=True
)
@click.option("--data-dir", type=click.Path(path_type=Path, file_okay=False), help="Where data is.")
@click.option("--name", default="best", show_default=True, help="Name of the combination.")
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write the combination into this TOML file, beside those that it holds.",
)
def command(
    *,
    labelers: str,
    matcher: str | None,
    dataset: str,
    protocol: str,
    split: str,
    data_dir: Path | None,
    name: str,
    out: Path | None,
) -> None:
    """Find the weights of a SUM of labelers, such as identity+atlas+color.

    They make the Brier score of the true names smallest; the test split is never used.
    """
    from trackbench.benchmarks.tasks import choose, load_task
    from trackbench.benchmarks.weighing import collect_tables, weigh, weighted_specs
    from trackbench.cli.output import check_writable
    from trackbench.core.combinations import save_combination
    from trackbench.core.registry import load_registry
    from trackbench.core.spec import parse_combination, parse_specs

    if out is not None:
        check_writable(out)
    sums = parse_combination(labelers)
    if len(sums) != 1:
        raise UsageError(f"{labelers!r} is {len(sums)} sums", "give one, such as identity+atlas")
    registry = load_registry()
    ((spec, found),) = choose(registry, parse_specs(dataset), [protocol])
    task = load_task(registry, spec, found, split=split, data_dir=data_dir)
    engine = parse_specs(matcher)[0] if matcher else None
    tables = collect_tables(registry, sums[0], engine, task.cases)
    result = weigh(tables, task.cases)
    _print(sums[0], result)
    text = weighted_specs(sums[0], result.weights)
    where = f"{dataset} {protocol} {split}: {result.n_cases} worms, {result.n_neurons} neurons"
    click.echo(f"{name} = {text}\nfitted on {where}")
    if out is not None:
        save_combination(out, name, text, where)


def _print(labelers: Sequence[Spec], result: Weighing) -> None:
    for spec, weight in zip(labelers, result.weights, strict=True):
        click.echo(f"{spec!s:<40} {weight:8.3f}")
    for label, (before, after) in (("brier", result.brier), ("m_test", result.m_test)):
        click.echo(f"{label:<40} {after:8.4f}  (all weights 1: {before:.4f})")
