"""A training run: the matching network, then the pose network; checkpoints, curve, weights."""

from __future__ import annotations

import csv
import time
from typing import TYPE_CHECKING, Any

import torch

from trackbench.core.checkpoint import Checkpoint
from trackbench.datasets.semisynthetic.bank import WormBank
from trackbench.datasets.semisynthetic.config import SIMULATOR_VERSION
from trackbench.datasets.semisynthetic.worms import read_worms, to_anatomical_frame
from trackbench.plugins.fdnc.optimiser import keep_freed_memory
from trackbench.plugins.fdnc.stages import MatchingStage, PoseStage, Stage
from trackbench.plugins.fdnc.weights import save_trained

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from trackbench.plugins.fdnc.training_config import TrainingConfig

CHECKPOINT_SECONDS = 45.0
CHECKPOINTS_A_VALIDATION = 5
CURVE_COLUMNS = ("stage", "step", "loss", "accuracy", "validation_loss", "validation_accuracy")


def train(
    config: TrainingConfig,
    data_dir: Path,
    out: Path,
    *,
    device: str = "cpu",
    threads: int = 1,
    report: Callable[[str], object] = print,
) -> Path:
    """Train both networks and write `weights.safetensors`, `curve.csv` and `curve.png`.

    A run that was ended is continued from `checkpoint.pt` in the same folder; it reaches the
    same weights as one that was not.

    Parameters
    ----------
    config : TrainingConfig
    data_dir : Path
        The folder that holds `wormnd/`; train worms alone are read.
    out : Path
        Folder of the run.
    device : str
        "cpu" or "cuda".
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
        No train worms there.
    InputError
        The checkpoint in the folder belongs to another config, or can't be read.
    """
    keep_freed_memory()
    torch.set_num_threads(threads)
    torch.manual_seed(config.seed)
    out.mkdir(parents=True, exist_ok=True)
    bank = WormBank.from_worms(to_anatomical_frame(read_worms(data_dir)), device=device)
    run = _Run(config, out, report)
    poses, matching = PoseStage(config, bank), MatchingStage(config, bank)
    stages: tuple[Stage[Any], ...] = (matching, poses)
    for number, stage in enumerate(stages):
        stage.weights.to(device)
        run.train(stage, torch.Generator(device).manual_seed(10 * config.seed + number))
    target = out / "weights.safetensors"
    save_trained(
        target,
        poses.weights.averaged,
        matching.weights.averaged,
        about={"config": config.model_dump(mode="json"), "simulator": SIMULATOR_VERSION},
        trained_on=bank.digests,
    )
    draw_curve(out / "curve.csv", out / "curve.png")
    return target


class _Run:
    """The files of a run: one checkpoint, one curve."""

    def __init__(self, config: TrainingConfig, out: Path, report: Callable[[str], object]) -> None:
        self.report, self.curve = report, out / "curve.csv"
        self.checkpoint = Checkpoint(out / "checkpoint.pt", config.model_dump_json())
        self.stages: dict[str, Any] = self.checkpoint.load() or {}

    def train(self, stage: Stage[Any], generator: torch.Generator) -> None:
        step = self._resume(stage, generator)
        self._forget_rows(stage.name, step)
        since, losses, checkpoints = time.monotonic(), [], 0
        while step < stage.steps:
            for batch in stage.batches(generator, step):
                losses.append(stage.step(batch, step))
                step += 1
            if time.monotonic() - since > CHECKPOINT_SECONDS or step >= stage.steps:
                checkpoints += 1
                if checkpoints % CHECKPOINTS_A_VALIDATION == 0 or step >= stage.steps:
                    self._note(stage, step, losses)
                    losses = []
                self._save(stage, step, generator)
                since = time.monotonic()

    def _resume(self, stage: Stage[Any], generator: torch.Generator) -> int:
        saved = self.stages.get(stage.name)
        if saved is None:
            return 0
        stage.weights.resume(saved["weights"])
        generator.set_state(saved["generator"])
        return int(saved["step"])

    def _save(self, stage: Stage[Any], step: int, generator: torch.Generator) -> None:
        self.stages[stage.name] = {
            "step": step,
            "weights": stage.weights.state(),
            "generator": generator.get_state(),
        }
        self.checkpoint.save(self.stages)

    def _note(self, stage: Stage[Any], step: int, losses: list[tuple[float, float]]) -> None:
        loss, accuracy = (sum(column) / len(losses) for column in zip(*losses, strict=True))
        values = (loss, accuracy, *stage.validate())
        with self.curve.open("a", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            if file.tell() == 0:
                writer.writerow(CURVE_COLUMNS)
            writer.writerow([stage.name, step, *(f"{value:.4f}" for value in values)])
        self.report(
            f"{stage.name} {step}/{stage.steps}: loss {values[0]:.3f}, accuracy {values[1]:.3f}; "
            f"validation {values[2]:.3f}, {values[3]:.3f}"
        )

    def _forget_rows(self, stage: str, step: int) -> None:
        """Remove rows that a run that was ended wrote after its last checkpoint."""
        if not self.curve.exists():
            return
        with self.curve.open(newline="", encoding="utf-8") as file:
            rows = list(csv.reader(file))
        kept = [row for row in rows[1:] if row[0] != stage or int(row[1]) <= step]
        with self.curve.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([rows[0], *kept])


def draw_curve(table: Path, picture: Path) -> None:
    """Plot training and validation accuracy of each stage against the step."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with table.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    stages = list(dict.fromkeys(row["stage"] for row in rows))
    figure = Figure(figsize=(5 * len(stages), 3.5), layout="constrained")
    FigureCanvasAgg(figure)
    for place, stage in enumerate(stages, start=1):
        axes = figure.add_subplot(1, len(stages), place)
        own = [row for row in rows if row["stage"] == stage]
        for column, label in (("accuracy", "training"), ("validation_accuracy", "validation")):
            axes.plot([int(r["step"]) for r in own], [float(r[column]) for r in own], label=label)
        axes.set(xlabel="step", ylabel="accuracy", title=stage, ylim=(0, 1))
        axes.legend(loc="lower right")
    figure.savefig(picture, dpi=120)
