"""What `identity` loses on the worms of a lab that its training never saw.

::

    python experiments/lab_left_out.py --out DIR

One network of `identity` (the second of its shipped config, for worms with colors) is trained on
the train worms of all labs, and once for each lab on those of all others: same seed, same steps.
Names, atlas and samples come from the worms trained on. Both networks then name the lab's
validation and test worms (protocol wormnd: positions and colors, handedness given), which neither
saw. HL is in no training, so it has a row of its own, by the first network. The last two columns
are an oracle: there every worm stands in the pose that its true names give, which tells names
that are wrong from poses that are.

The training is short and the tables aren't calibrated: compare the two columns with each other,
not with the shipped ensemble. This is a report; nothing is chosen by it.

It needs WormND (`trackbench data fetch`, or TRACKBENCH_DATA) and about half an hour on one core. A
run that was stopped goes on from the checkpoints in DIR. DIR gets `scores.csv`, a line a worm.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click
import numpy as np
import torch

from trackbench.benchmarks.metrics.intervals import resampled_counts
from trackbench.core.atlas import (
    ALIGN_RIDGE_UM2,
    align_to_means,
    common_names,
    named_points,
)
from trackbench.core.config_file import read_config_file
from trackbench.core.evidence import label
from trackbench.core.types import Evidence
from trackbench.datasets.cases import section_folder
from trackbench.datasets.locate import find
from trackbench.datasets.neuropal import NeuroPAL, NeuroPALConfig
from trackbench.datasets.readers.wormnd import read_wormnd_index, read_wormnd_worm
from trackbench.datasets.splits import CROSS_LAB_TEST, neuropal_split
from trackbench.plugins.identity.bank import Bank, build_bank
from trackbench.plugins.identity.calibration import UNCALIBRATED, calibrated
from trackbench.plugins.identity.features import color_features, corrected_features
from trackbench.plugins.identity.inference import NameAtlas, read_worm
from trackbench.plugins.identity.run import SHIPPED_CONFIG, MemberConfig, RunConfig
from trackbench.plugins.identity.search import SearchConfig, predict
from trackbench.plugins.identity.training import Trainer

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from trackbench.core.geometry import FloatArray
    from trackbench.core.types import Case, PointCloud
    from trackbench.plugins.identity.network import IdentityNetwork

MEMBER: Final = 1
"""Of the shipped config: trained from the start, every sample with colors."""

SCORED_SPLITS: Final = ("validation", "test")
ALL: Final = "all"
REPORT_EVERY: Final = 50
HEADER: Final = (
    "| lab | its train worms | scored | M_test, lab in training | left out | difference (95 %) "
    "| top-5, in training | left out | M_test in the true pose (oracle), in training | left out |"
    "\n|---|---|---|---|---|---|---|---|---|---|"
)


@dataclass(frozen=True, eq=False)
class Trained:
    """A network with the worms that it was trained on."""

    network: IdentityNetwork
    bank: Bank


@dataclass(frozen=True)
class Scores:
    """Worms of one lab by one network, (n,) each: M_test, top-5, and M_test in the true pose."""

    m_test: np.ndarray
    top5: np.ndarray
    posed: np.ndarray

    @classmethod
    def joined(cls, parts: Sequence[Scores]) -> Scores:
        """Put the worms of several labs together."""
        return cls(*np.hstack([(part.m_test, part.top5, part.posed) for part in parts]))


def short_config(steps: int) -> MemberConfig:
    """Cut the schedule of the shipped network to so many steps."""
    config = read_config_file(SHIPPED_CONFIG, RunConfig)
    update = {
        "network": config.network,
        "steps": steps,
        "warm_up": max(1, steps // 10),
        "validate_every": REPORT_EVERY,
    }
    return config.members[MEMBER].model_copy(update=update)


def train_worms(data_dir: Path | None) -> dict[str, tuple[PointCloud, ...]]:
    """Read the train worms by lab; the lab with most comes first."""
    by_lab: dict[str, list[PointCloud]] = {}
    for entry in read_wormnd_index(section_folder(data_dir, "wormnd")):
        if neuropal_split(entry.id, entry.lab, entry.group) == "train":
            by_lab.setdefault(entry.lab, []).append(read_wormnd_worm(entry))
    order = sorted(by_lab, key=lambda lab: (-len(by_lab[lab]), lab))
    return {lab: tuple(by_lab[lab]) for lab in order}


def scored_worms(data_dir: Path | None) -> dict[str, list[Case]]:
    """Read the validation and test worms by lab."""
    by_lab: dict[str, list[Case]] = {}
    dataset = NeuroPAL(NeuroPALConfig())
    for split in SCORED_SPLITS:
        for case in dataset.cases("wormnd", split, data_dir):
            by_lab.setdefault(case.group, []).append(case)
    return by_lab


def train(title: str, worms: Sequence[PointCloud], config: MemberConfig, folder: Path) -> Trained:
    """Train a network on some worms, or go on where an earlier run was stopped."""
    folder.mkdir(parents=True, exist_ok=True)
    names = common_names(worms)
    bank = build_bank([named_points(worm, names) for worm in worms], names)
    click.echo(f"{title}: {len(worms)} worms, {len(names)} names, {config.steps} steps", err=True)

    def report(_: IdentityNetwork, step: int, loss: float) -> None:
        click.echo(f"{title}: step {step}, loss {loss:.3f}", err=True)

    return Trained(Trainer(config, bank, folder).run(report), bank)


def score(trained: Trained, cases: Iterable[Case]) -> Scores:
    """Name worms and compare with the true names."""
    rows = [_score_one(trained, case) for case in cases]
    return Scores(*np.array(rows).T)


def _score_one(trained: Trained, case: Case) -> tuple[float, float, float]:
    test, bank = case.test, trained.bank
    color = color_features(test.color, len(test))
    reading = read_worm(
        [trained.network],
        NameAtlas(bank.means, bank.color),
        test.zyx_um.astype(np.float64),
        color,
        mirrored=test.mirrored,
        config=SearchConfig(),
    )[0]
    m_test, top5 = _shares(reading.log_p, bank.names, case)
    return m_test, top5, _shares(_in_true_pose(trained, case, color), bank.names, case)[0]


def _in_true_pose(trained: Trained, case: Case, color: NDArray[np.float32]) -> FloatArray:
    """Read a worm in the pose that its true names give, (n, k + 1): an oracle."""
    bank = trained.bank
    worm = named_points(replace(case.test, names=case.truth.names), bank.names)
    pose = align_to_means(worm, bank.means, ridge=ALIGN_RIDGE_UM2)(worm.zyx_um)[None]
    first = predict(trained.network, pose, color).log_p[0]
    corrected = corrected_features(color, first, bank.color)
    table: FloatArray = predict(trained.network, pose, corrected).log_p[0]
    return table


def _shares(log_p: FloatArray, names: tuple[str, ...], case: Case) -> tuple[float, float]:
    """Assign a table; give M_test and top-5."""
    table = calibrated(log_p, UNCALIBRATED).astype(np.float32)
    given = label(Evidence(names, table))
    asked = [(i, name) for i, name in enumerate(case.truth.names) if name]
    right = [given.names[i] == name for i, name in asked]
    among_five = [name in given.top_names[i] for i, name in asked]
    return float(np.mean(right)), float(np.mean(among_five))


def interval(values: np.ndarray) -> tuple[float, float]:
    """Bootstrap the mean over worms: 95 % interval."""
    means = np.concatenate([counts @ values for counts in resampled_counts(len(values))])
    low, high = np.quantile(means / len(values), [0.025, 0.975])
    return float(low), float(high)


def paired_row(lab: str, n_train: int, seen: Scores, unseen: Scores) -> str:
    """Write what leaving a lab out costs on its worms."""
    change = unseen.m_test - seen.m_test
    low, high = interval(change)
    return (
        f"| {lab} | {n_train} | {len(change)} | {seen.m_test.mean():.3f} "
        f"| {unseen.m_test.mean():.3f} | {change.mean():+.3f} ({low:+.3f} to {high:+.3f}) "
        f"| {seen.top5.mean():.3f} | {unseen.top5.mean():.3f} "
        f"| {seen.posed.mean():.3f} | {unseen.posed.mean():.3f} |"
    )


def unpaired_row(lab: str, unseen: Scores) -> str:
    """Write the row of a lab that no network saw; the interval is that of its M_test."""
    low, high = interval(unseen.m_test)
    return (
        f"| {lab}, in no training | 0 | {len(unseen.m_test)} | - "
        f"| {unseen.m_test.mean():.3f} ({low:.3f} to {high:.3f}) | - | - "
        f"| {unseen.top5.mean():.3f} | - | {unseen.posed.mean():.3f} |"
    )


def write_scores(path: Path, rows: Iterable[tuple[str, Sequence[Case], Scores]]) -> None:
    """Write a line for each network and worm."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(("left_out", "lab", "worm", "split", "m_test", "top5", "in_true_pose"))
        for left_out, cases, scores in rows:
            shares = zip(cases, scores.m_test, scores.top5, scores.posed, strict=True)
            for case, *own in shares:
                told = [f"{share:.4f}" for share in own]
                writer.writerow((left_out, case.group, case.id, case.split, *told))


@click.command(help=(__doc__ or "").replace("::", "\b"))
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), required=True)
@click.option("--data-dir", type=click.Path(path_type=Path, file_okay=False), default=None)
@click.option("--steps", type=click.IntRange(1), default=600, show_default=True)
@click.option("--threads", type=click.IntRange(1), default=1, show_default=True)
def main(out: Path, data_dir: Path | None, steps: int, threads: int) -> None:
    """Train all networks; print each row as soon as it is known."""
    torch.set_num_threads(threads)
    found, config = find("wormnd", data_dir), short_config(steps)
    known, tests = train_worms(found), scored_worms(found)
    everyone = [worm for worms in known.values() for worm in worms]
    reference = train("all labs", everyone, config, out / ALL)
    with_lab = {lab: score(reference, cases) for lab, cases in tests.items()}
    click.echo(HEADER)
    without: dict[str, Scores] = {}
    for lab, own in known.items():
        others = [worm for name, worms in known.items() if name != lab for worm in worms]
        trained = train(f"without {lab}", others, config, out / f"without-{lab}")
        without[lab] = score(trained, tests[lab])
        click.echo(paired_row(lab, len(own), with_lab[lab], without[lab]))
    seen = Scores.joined([with_lab[lab] for lab in without])
    unseen = Scores.joined(list(without.values()))
    click.echo(paired_row("**together**", len(everyone), seen, unseen))
    click.echo(unpaired_row(CROSS_LAB_TEST, with_lab[CROSS_LAB_TEST]))
    rows = [("", tests[lab], scores) for lab, scores in with_lab.items()]
    rows += [(lab, tests[lab], scores) for lab, scores in without.items()]
    write_scores(out / "scores.csv", rows)


if __name__ == "__main__":
    main()
