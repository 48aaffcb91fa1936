"""A training run of the whole ensemble: members one after another, calibration, weights."""

from __future__ import annotations

import csv
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

import torch
from pydantic import BaseModel, ConfigDict, Field

from trackbench.core.atlas import common_names, named_points
from trackbench.core.keys import animal_key
from trackbench.core.weights import load_weights, save_weights
from trackbench.datasets.labeled_heads import labeled_heads
from trackbench.plugins.identity.asymmetry_fit import fit_asymmetry
from trackbench.plugins.identity.bank import build_bank
from trackbench.plugins.identity.ensemble import Ensemble, describe, pack, packed_asymmetry
from trackbench.plugins.identity.inference import NameAtlas
from trackbench.plugins.identity.labeler import KIND, VERSION
from trackbench.plugins.identity.network import NetworkConfig
from trackbench.plugins.identity.training import Trainer, TrainingConfig
from trackbench.plugins.identity.validation import Progress, fit_calibration

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from trackbench.core.geometry import FloatArray
    from trackbench.core.types import PointCloud
    from trackbench.plugins.identity.asymmetry import Asymmetry
    from trackbench.plugins.identity.bank import Bank
    from trackbench.plugins.identity.network import IdentityNetwork


SHIPPED_CONFIG: Final = Path(__file__).parent / "configs" / "identity.toml"


class MemberConfig(TrainingConfig):
    """One network of the ensemble."""

    use: Literal["always", "color", "position"] = Field(
        default="always", description="whether it reads worms with colors, without, or both"
    )
    start: int | None = Field(
        default=None, ge=0, description="earlier member whose weights it begins with"
    )


class RunConfig(BaseModel):
    """A whole run."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    network: NetworkConfig = Field(default=NetworkConfig(), description="sizes of every member")
    members: tuple[MemberConfig, ...] = Field(min_length=1, description="the networks")


def train(
    config: RunConfig,
    data_dir: Path,
    out: Path,
    *,
    threads: int = 1,
    report: Callable[[str], None] = print,
) -> Path:
    """Train all members, calibrate them on validation worms, and write one weights file.

    A run that was ended goes on from the checkpoints in `out`.

    Parameters
    ----------
    config : RunConfig
    data_dir : Path
        The folder that holds `wormnd/`.
    out : Path
        Folder of the run: a folder a member, `curve.csv`, `identity.safetensors`.
    threads : int
        Of torch.
    report : callable
        Takes one line of progress.

    Returns
    -------
    Path
        Of the weights.

    Raises
    ------
    MissingDataError
        No train or no validation worms on disk.
    InputError
        A checkpoint that belongs to another config.
    """
    torch.set_num_threads(threads)
    worms = labeled_heads(data_dir, "train")
    validation = labeled_heads(data_dir, "validation")
    names = common_names(worms)
    bank = build_bank([named_points(worm, names) for worm in worms], names)
    run = _Run(config, bank, Progress(bank, validation), out, report)
    networks: list[IdentityNetwork] = []
    for number, member in enumerate(config.members):
        report(f"member {number}: {member.steps} steps")
        networks.append(_train_member(run, number, networks))
    target = out / "identity.safetensors"
    write_weights(target, config, networks=networks, bank=bank, worms=worms, validation=validation)
    return target


@dataclass(frozen=True, eq=False)
class _Run:
    """What all members share."""

    config: RunConfig
    bank: Bank
    progress: Progress
    out: Path
    report: Callable[[str], None]


def _train_member(run: _Run, number: int, earlier: Sequence[IdentityNetwork]) -> IdentityNetwork:
    member = run.config.members[number].model_copy(update={"network": run.config.network})
    folder = run.out / f"member-{number}"
    folder.mkdir(parents=True, exist_ok=True)
    start = None if member.start is None else earlier[member.start]

    def note(network: IdentityNetwork, step: int, loss: float) -> None:
        row = {"member": number, "step": step, "loss": round(loss, 4), **run.progress.of(network)}
        run.report(" ".join(f"{name} {value}" for name, value in row.items()))
        _append(run.out / "curve.csv", row)

    return Trainer(member, run.bank, folder, start=start).run(note)


def write_weights(
    target: Path,
    config: RunConfig,
    *,
    networks: Sequence[IdentityNetwork],
    bank: Bank,
    worms: Sequence[PointCloud],
    validation: Sequence[PointCloud],
) -> None:
    """Calibrate trained networks and write the file that the labeler loads.

    Parameters
    ----------
    target : Path
    config : RunConfig
    networks : sequence of IdentityNetwork
        One a member.
    bank : Bank
    worms, validation : sequence of PointCloud
        Those that the networks saw, and those that the calibration is fitted on.
    """
    uses = tuple(member.use for member in config.members)
    trained_on = frozenset(animal_key(worm.zyx_um) for worm in worms)
    atlas = NameAtlas(bank.means, bank.color)
    asymmetry = _asymmetry(worms, bank.names, bank.means)
    plain = Ensemble(tuple(networks), uses, bank.names, atlas, asymmetry, trained_on=trained_on)
    with_color, without_color = fit_calibration(plain, validation)
    save_weights(
        target,
        pack(networks, atlas, asymmetry),
        kind=KIND,
        version=VERSION,
        about={
            **describe(config.network, bank.names, uses, with_color, without_color),
            "config": config.model_dump(mode="json"),
        },
        trained_on=trained_on,
    )


def _asymmetry(worms: Sequence[PointCloud], names: Sequence[str], means: FloatArray) -> Asymmetry:
    return fit_asymmetry([named_points(worm, names) for worm in worms], names, means)


def recalibrate(weights: Path, data_dir: Path, target: Path, *, threads: int = 1) -> Path:
    """Fit asymmetry and calibration of finished weights anew; the networks stay as they are.

    Parameters
    ----------
    weights : Path
    data_dir : Path
        The folder that holds `wormnd/`.
    target : Path
        What is written; may be `weights`.
    threads : int
        Of torch.

    Raises
    ------
    MissingDataError
        No train or no validation worms on disk.
    InputError
        `weights` are no weights of `identity`.
    """
    torch.set_num_threads(threads)
    old = load_weights(weights, kind=KIND, version=VERSION, framework="torch")
    names, means = old.about["names"], old.tensors["means"].double().numpy()
    worms = labeled_heads(data_dir, "train")
    asymmetry = _asymmetry(worms, names, means)
    tensors = {**old.tensors, **packed_asymmetry(asymmetry)}
    ensemble = Ensemble.from_weights(replace(old, tensors=tensors))
    fitted = fit_calibration(ensemble, labeled_heads(data_dir, "validation"))
    about = dict(
        zip(("with_color", "without_color"), (c.model_dump() for c in fitted), strict=True)
    )
    save_weights(
        target,
        tensors,
        kind=KIND,
        version=VERSION,
        about={**old.about, **about},
        trained_on=old.trained_on | {animal_key(worm.zyx_um) for worm in worms},
    )
    return target


def _append(path: Path, row: dict[str, Any]) -> None:
    is_new = not path.exists()
    with path.open("a", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(row))
        if is_new:
            writer.writeheader()
        writer.writerow(row)
