"""Measures what each labeler adds to naming a worm, and writes docs/what-each-part-adds.md.

Every labeler names every test worm alone. Then they are added one after another, each sum with
weights fitted on validation worms (as `trackbench fit-weights` does). Per lab, per ganglion, with
intervals over worms and a paired test against the row before. Last, what it costs not to know the
handedness, and what finds it. Nothing is chosen on test worms::

    python experiments/naming_ablation.py

It needs WormND (`trackbench data fetch`, or TRACKBENCH_DATA) and about a quarter of an hour on one
core.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import click
import numpy as np
from scipy.stats import wilcoxon

from trackbench.benchmarks.metrics.intervals import resampled_counts
from trackbench.benchmarks.weighing import collect_tables, weigh, weighted_specs
from trackbench.core.combinations import named_combinations
from trackbench.core.evidence import add, label
from trackbench.core.registry import load_registry
from trackbench.core.spec import parse_specs
from trackbench.datasets.locate import find
from trackbench.datasets.neuropal import NeuroPAL, NeuroPALConfig
from trackbench.datasets.readers.ganglia import ganglion_of, known_ganglia
from trackbench.plugins.identity import IdentityLabeler

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from trackbench.core.types import Case, Evidence

PAGE = Path(__file__).parents[1] / "docs" / "what-each-part-adds.md"
STEPS = {
    "wormnd": ("vote", "color", "atlas", "crf", "identity"),
    "wormnd-position": ("atlas", "crf", "vote", "identity"),
}
CROSS_LAB = "HL"
BLIND = "wormnd-blind"
BLIND_LABELERS = ("atlas", "crf")
HANDEDNESS_BY = {
    "`identity`, by its networks alone": {"asymmetry_temperature": float("inf")},
    "`identity`, by the asymmetry alone": {"hand_temperature": float("inf")},
    "`identity`, by both": {},
}
"""What decides the handedness, and the temperatures that leave the rest out."""

HARD = ("Ventral Ganglion", "Retro Vesicular Ganglion")
TITLES = {
    "wormnd": "Position and color",
    "wormnd-position": "Positions alone",
}


@dataclass(frozen=True)
class Options:
    """What is asked for on the command line."""

    data_dir: Path | None
    matcher: str
    limit: int | None
    protocols: tuple[str, ...]
    without: tuple[str, ...]

    def steps(self, protocol: str) -> tuple[str, ...]:
        """Give the labelers of a protocol."""
        return tuple(name for name in STEPS[protocol] if name not in self.without)

    @property
    def command(self) -> str:
        """The command that makes the page, as far as it differs from the plain one."""
        chosen = "" if len(self.protocols) > 1 else f" --protocol {self.protocols[0]}"
        left_out = "".join(f" --without {name}" for name in self.without)
        return f"python experiments/naming_ablation.py{chosen}{left_out}"


@dataclass(frozen=True)
class Row:
    """One labeler or sum on all worms.

    Parameters
    ----------
    title : str
    right : list of ndarray of bool
        One a worm: which named neurons were named right.
    top5 : list of float
        One a worm.
    probability : list of ndarray
        One a worm: how probable each of the names given was held.
    """

    title: str
    right: list[np.ndarray]
    top5: list[float]
    probability: list[np.ndarray]

    @property
    def shares(self) -> np.ndarray:
        """M_test of each worm."""
        return np.array([right.mean() for right in self.right])


@dataclass(frozen=True)
class Tables:
    """What every labeler says of every worm of a split."""

    cases: list[Case]
    found: list[list[Evidence]]

    def only(self, columns: Sequence[int]) -> list[list[Evidence]]:
        """Give the tables of some labelers."""
        return [[row[k] for k in columns] for row in self.found]


def collect(protocol: str, split: str, options: Options) -> Tables:
    """Run all labelers of a protocol on a split."""
    dataset = NeuroPAL(NeuroPALConfig(limit=options.limit))
    cases = list(dataset.cases(protocol, split, options.data_dir))
    specs = parse_specs(",".join(options.steps(protocol)))
    tables = collect_tables(load_registry(), specs, parse_specs(options.matcher)[0], cases)
    return Tables(cases, tables)


def named(title: str, tables: Tables, columns: Sequence[int], weights: Sequence[float]) -> Row:
    """Add tables, assign once, and compare with the true names."""
    right, top5, probability = [], [], []
    for case, own in zip(tables.cases, tables.only(columns), strict=True):
        labels = label(add(own, weights))
        asked = [i for i, name in enumerate(case.truth.names) if name]
        right.append(np.array([labels.names[i] == case.truth.names[i] for i in asked]))
        top5.append(float(np.mean([case.truth.names[i] in labels.top_names[i] for i in asked])))
        probability.append(labels.probability[asked])
    return Row(title, right, top5, probability)


def rows_of(names: Sequence[str], validation: Tables, test: Tables) -> tuple[list[Row], list[Row]]:
    """Name the test worms by every labeler alone, worst first, and by every step of the sum."""
    alone = [named(f"`{name}`", test, [k], [1.0]) for k, name in enumerate(names)]
    steps = [alone[0]]
    for count in range(2, len(names) + 1):
        columns = list(range(count))
        weights = weigh(validation.only(columns), validation.cases).weights
        typed = weighted_specs(parse_specs(",".join(names[:count])), weights)
        steps.append(named(f"`{typed}`", test, columns, weights))
    return sorted(alone, key=lambda row: row.shares.mean()), steps


def interval(values: np.ndarray) -> tuple[float, float]:
    """Bootstrap the mean over worms: 95 % interval."""
    means = np.concatenate([c @ values / len(values) for c in resampled_counts(len(values))])
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high)


def with_tests(rows: Sequence[Row]) -> list[str]:
    """Write rows with intervals, each tested against the row before it."""
    lines = [
        "| | M_test, mean over worms | 95 % | against the row before | p | top-5 |",
        "|---|---|---|---|---|---|",
    ]
    before: Row | None = None
    for row in rows:
        low, high = interval(row.shares)
        against = "| - | - |"
        if before is not None:
            gain = row.shares - before.shares
            p = wilcoxon(gain).pvalue if gain.any() else 1.0
            against = f"| {gain.mean():+.3f} ({np.sum(gain > 0)} of {len(gain)} worms) | {p:.1g} |"
        lines.append(
            f"| {row.title} | **{row.shares.mean():.3f}** | {low:.3f} to {high:.3f} {against} "
            f"{np.mean(row.top5):.3f} |"
        )
        before = row
    return lines


def by_lab(rows: Sequence[Row], cases: Sequence[Case]) -> list[str]:
    """Write M_test per lab; the lab that training never saw comes last."""
    labs = [case.group for case in cases]
    order = [*sorted(set(labs) - {CROSS_LAB}), *({CROSS_LAB} & set(labs))]
    lines = [heading("lab (worms)", rows)]
    for lab in order:
        chosen = [i for i, own in enumerate(labs) if own == lab]
        title = f"{lab} ({len(chosen)})" + (", in no training" if lab == CROSS_LAB else "")
        cells = [f"{row.shares[chosen].mean():.3f}" for row in rows]
        lines.append(f"| {title} | " + " | ".join(cells) + " |")
    return lines


def by_ganglion(
    rows: Sequence[Row], cases: Sequence[Case], ganglia: Mapping[str, str]
) -> list[str]:
    """Write the share of right names, over all neurons, of the two hard ganglia and the others."""
    homes = [
        np.array([ganglion_of(name, ganglia) or "" for name in case.truth.names if name])
        for case in cases
    ]
    home = np.concatenate(homes)
    lines = [heading("ganglion (neurons)", rows)]
    parts = {name: home == name for name in HARD}
    parts["all others"] = ~np.isin(home, HARD)
    for name, chosen in parts.items():
        if not chosen.any():
            continue
        cells = [f"{np.concatenate(row.right)[chosen].mean():.3f}" for row in rows]
        lines.append(f"| {name} ({chosen.sum()}) | " + " | ".join(cells) + " |")
    return lines


def heading(first: str, rows: Sequence[Row]) -> str:
    """Two lines of a table whose columns are rows of another."""
    titles = " | ".join(row.title for row in rows)
    return f"| {first} | {titles} |\n|{'---|' * (len(rows) + 1)}"


def section(protocol: str, options: Options) -> list[str]:
    """Measure one protocol and write its section."""
    validation = collect(protocol, "validation", options)
    test = collect(protocol, "test", options)
    alone, steps = rows_of(options.steps(protocol), validation, test)
    short = [
        replace(row, title=f"+ `{name}`")
        for name, row in zip(options.steps(protocol), steps, strict=True)
    ]
    short[0] = steps[0]
    return [
        f"## {TITLES[protocol]} (`{protocol}`, split test, {len(test.cases)} worms)",
        "",
        "Every labeler alone, worst first:",
        "",
        *with_tests(alone),
        "",
        "Added one after another, weights fitted on validation worms:",
        "",
        *with_tests(steps),
        "",
        *by_lab(alone, test.cases),
        "",
        *by_lab(short, test.cases),
        "",
        *by_ganglion(alone, test.cases, known_ganglia(options.data_dir)),
        "",
        *by_ganglion(short, test.cases, known_ganglia(options.data_dir)),
        "",
    ]


def blind_section(options: Options) -> list[str]:
    """Name the test worms with and without their handedness, and write what that costs."""
    given, blind = (
        list(NeuroPAL(NeuroPALConfig(limit=options.limit)).cases(name, "test", options.data_dir))
        for name in ("wormnd", BLIND)
    )
    names = ("identity", *BLIND_LABELERS)
    known = _rows(names, given, _tables(names, given))
    specs = _rows(BLIND_LABELERS, blind, _tables(BLIND_LABELERS, blind))
    ways = _rows(tuple(HANDEDNESS_BY), blind, _by_each_way(blind))
    lines = [
        f"## Without the handedness (`{BLIND}`, split test, {len(blind)} worms)",
        "",
        "M_test with the handedness given and without; worms that are named less than half as well",
        "without count as read as their mirror image. The last columns are over all named neurons;",
        "the probabilities of `identity` were calibrated for networks and asymmetry together.",
        "",
        "| | given | not given | 95 % | as mirror image | names right | their mean probability |",
        "|---|---|---|---|---|---|---|",
    ]
    pairs = [*zip(known[1:], specs, strict=True), *((known[0], way) for way in ways)]
    return [*lines, *(_blind_line(one, two) for one, two in pairs), ""]


def _tables(names: Sequence[str], cases: Sequence[Case]) -> list[list[Evidence]]:
    return collect_tables(load_registry(), parse_specs(",".join(names)), None, cases)


def _by_each_way(cases: Sequence[Case]) -> list[list[Evidence]]:
    """Run `identity` with each way of telling the handedness."""
    labeler = IdentityLabeler()
    whole = labeler.fit(())
    ways = [
        replace(whole, with_color=whole.with_color.model_copy(update=update))
        for update in HANDEDNESS_BY.values()
    ]
    return [[labeler.evidence(way, case.test, ()) for way in ways] for case in cases]


def _rows(titles: Sequence[str], cases: list[Case], found: list[list[Evidence]]) -> list[Row]:
    tables = Tables(cases, found)
    return [named(title, tables, [k], [1.0]) for k, title in enumerate(titles)]


def _blind_line(given: Row, blind: Row) -> str:
    low, high = interval(blind.shares)
    turned = int(np.sum(blind.shares < 0.5 * given.shares))
    title = blind.title if blind.title in HANDEDNESS_BY else f"`{blind.title}`"
    return (
        f"| {title} | {given.shares.mean():.3f} | **{blind.shares.mean():.3f}** "
        f"| {low:.3f} to {high:.3f} | {turned} | {np.concatenate(blind.right).mean():.3f} "
        f"| {np.concatenate(blind.probability).mean():.3f} |"
    )


def head(options: Options) -> list[str]:
    """Say what the page shows and how it is made."""
    return [
        "# What each part adds",
        "",
        f"Written by `{options.command}`; don't edit it by hand.",
        "",
        "`vote`, where it stands, matches every train worm to the test worm by",
        f"`{options.matcher}`. Handedness is given (but in the last section), nothing else about",
        "pose. Intervals are bootstraps over worms, p is that of Wilcoxon's signed-rank test over",
        "worms. Learned parts saw train worms only, weights were fitted on validation worms; HL is",
        "in neither.",
        f"`best` is `{named_combinations()['best']}`.",
        "",
    ]


def main() -> None:
    """Measure both protocols and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data-dir", type=Path, default=None)
    parser.add_argument("--matcher", default="fdnc")
    parser.add_argument("--protocol", choices=[*STEPS, BLIND], default=None, help="this one alone")
    parser.add_argument("--without", action="append", default=[], help="leave a labeler out")
    parser.add_argument("--limit", type=int, default=None, help="worms a split, for a trial")
    parser.add_argument("--out", type=Path, default=PAGE)
    given = parser.parse_args()
    options = Options(
        find("wormnd", given.data_dir),
        given.matcher,
        given.limit,
        (given.protocol,) if given.protocol else (*STEPS, BLIND),
        tuple(given.without),
    )
    lines = head(options)
    for protocol in options.protocols:
        click.echo(f"{protocol} ...")
        lines += blind_section(options) if protocol == BLIND else section(protocol, options)
    given.out.write_text("\n".join(lines).rstrip() + "\n", encoding="utf-8")
    click.echo(f"wrote {given.out}")


if __name__ == "__main__":
    main()
