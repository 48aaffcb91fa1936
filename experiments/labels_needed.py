"""How many frames must be labelled to follow a recording, with and without targeted augmentation.

::

    python experiments/labels_needed.py --out DIR             # both worms, 1 to 8 frames
    python experiments/labels_needed.py --out DIR --worms 1   # a shorter run

A simulated recording of 300 volumes (64 x 64 x 16 voxels, 22 neurons, twice the usual movement)
is learned from 1, 2, 3, 4, 6 and 8 labelled frames: frame 0 and then those that are farthest in
posture space. Both arms learn the same frames, share the first steps, and take the same number of
further steps. Accuracy: share of the true neurons of every fifth unlabelled volume that are found
by their name within 4 µm. One JSON line a training in DIR, and `labels_needed.png`; finished
trainings aren't repeated.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click
import numpy as np
import torch

from trackbench.datasets.semisynthetic.image_config import PRESETS
from trackbench.datasets.semisynthetic.images import ImageRecording, simulate_images
from trackbench.datasets.semisynthetic.shape import load_shapes
from trackbench.plugins.tacnn.course import Course
from trackbench.plugins.tacnn.decode import find_neurons
from trackbench.plugins.tacnn.frames import Frame, fit_canvas, prepare
from trackbench.plugins.tacnn.labelled import from_points
from trackbench.plugins.tacnn.learner import predict
from trackbench.plugins.tacnn.posture import (
    choose_targets,
    nearest_labelled,
    posture_space,
    silhouette,
)
from trackbench.plugins.tacnn.training_config import TrainingConfig

if TYPE_CHECKING:
    from collections.abc import Iterator

    from trackbench.plugins.tacnn.network import TacnnNetwork

VOLUMES: Final = 300
COUNTS: Final = (1, 2, 3, 4, 6, 8)
TARGETS: Final = 15
MOVEMENT: Final = 2.0
EVERY: Final = 5
TOLERANCE_UM: Final = 4.0
WANTED: Final = 0.95
ARMS: Final = {"without": "without targeted augmentation", "with": "with targeted augmentation"}

Row = dict[str, Any]


class Worm:
    """A simulated recording, prepared for the network."""

    def __init__(self, seed: int, config: TrainingConfig) -> None:
        images = PRESETS["small"].model_copy(update={"volumes": VOLUMES, "movement": MOVEMENT})
        self.recording: ImageRecording = simulate_images(load_shapes(), images, seed)
        self.names = tuple(self.recording.names)
        visible = np.concatenate([self.recording.points(t).zyx_um for t in range(0, VOLUMES, 10)])
        canvas = fit_canvas(self.recording.volume(0), visible, config.reduce, margin=2)
        self.frames: list[Frame] = [
            prepare(self.recording.volume(t), canvas) for t in range(VOLUMES)
        ]
        self.places = posture_space(np.stack([silhouette(f.image) for f in self.frames]))
        self.order = [0, *choose_targets(self.places, [0], max(COUNTS) - 1)]

    def train(self, count: int, config: TrainingConfig) -> Iterator[tuple[str, TacnnNetwork]]:
        """Train both arms on the first `count` frames of the order."""
        own = self.order[:count]
        number = {name: k for k, name in enumerate(self.names, start=1)}
        labelled = []
        for t in own:
            cloud = self.recording.points(t)
            classes = np.array([number[name] for name in cloud.names or ()], np.intp)
            labelled.append(from_points(self.frames[t], cloud.zyx_um, classes, config.radius))
        targets = [
            (
                self.frames[t].image,
                tuple(own.index(k) for k in nearest_labelled(self.places, own, t)),
            )
            for t in choose_targets(self.places, own, TARGETS)
        ]
        start = Course(config, labelled, len(self.names) + 1, targets)
        while start.done < config.base_steps:
            start.step()
        state = start.state()
        for arm in ARMS:
            settings = config.model_copy(update={"targeted": arm == "with"})
            course = Course(settings, labelled, len(self.names) + 1, targets)
            course.resume(state)
            while course.done < course.steps:
                course.step()
            yield arm, course.learner.network

    def accuracy(self, network: TacnnNetwork, count: int) -> float:
        """Share of true neurons found by name in unlabelled volumes."""
        shares = []
        for t in range(2, VOLUMES, EVERY):
            if t in self.order[:count]:
                continue
            frame, cloud = self.frames[t], self.recording.points(t)
            found = find_neurons(predict(network, frame.image), frame.image[0])
            at = {
                self.names[k - 1]: place
                for k, place in zip(found.classes, frame.to_um(found.voxels), strict=True)
            }
            right = [
                name in at and bool(np.linalg.norm(at[name] - place) <= TOLERANCE_UM)
                for name, place in zip(cloud.names or (), cloud.zyx_um, strict=True)
            ]
            shares.append(np.mean(right))
        return float(np.mean(shares))


@click.command(help=(__doc__ or "").replace("::", "\b"))
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), required=True)
@click.option("--worms", type=click.IntRange(1), default=2, show_default=True)
@click.option("--base-steps", type=click.IntRange(1), default=80, show_default=True)
@click.option("--extra-steps", type=click.IntRange(1), default=120, show_default=True)
@click.option("--threads", type=click.IntRange(1), default=1, show_default=True)
def main(out: Path, worms: int, base_steps: int, extra_steps: int, threads: int) -> None:
    """Run what isn't in the results yet, then show them."""
    torch.set_num_threads(threads)
    out.mkdir(parents=True, exist_ok=True)
    results = out / "labels_needed.jsonl"
    rows = [json.loads(line) for line in results.open()] if results.exists() else []
    for seed in range(worms):
        config = TrainingConfig(
            seed=seed,
            base_steps=base_steps,
            extra_steps=extra_steps,
            reduce=(1, 1, 1),
            radius=2.5,
        )
        worm = None
        for count in COUNTS:
            if any(row["worm"] == seed and row["labelled"] == count for row in rows):
                continue
            worm = worm or Worm(100 + seed, config)
            new = [
                {
                    "worm": seed,
                    "labelled": count,
                    "arm": arm,
                    "accuracy": worm.accuracy(network, count),
                }
                for arm, network in worm.train(count, config)
            ]
            with results.open("a") as file:
                file.writelines(json.dumps(row) + "\n" for row in new)
            rows += new
            click.echo("\n".join(map(str, new)))
    show(rows)
    draw(rows, out / "labels_needed.png")


def curve(rows: list[Row], arm: str) -> tuple[list[int], list[float]]:
    """Give mean accuracy over worms against the number of labelled frames."""
    counts = sorted({row["labelled"] for row in rows})
    means = [
        float(np.mean([r["accuracy"] for r in rows if r["arm"] == arm and r["labelled"] == count]))
        for count in counts
    ]
    return counts, means


def needed(rows: list[Row], arm: str) -> str:
    """Say how many labelled frames reach 95 %, between the measured counts by a straight line."""
    counts, means = curve(rows, arm)
    for k, mean in enumerate(means):
        if mean >= WANTED:
            if k == 0:
                return f"{counts[0]} or fewer"
            share = (WANTED - means[k - 1]) / (mean - means[k - 1])
            return f"{counts[k - 1] + share * (counts[k] - counts[k - 1]):.1f}"
    return f"more than {counts[-1]}"


def show(rows: list[Row]) -> None:
    """Print the table."""
    click.echo("labelled  " + "".join(f"{arm:>10}" for arm in ARMS))
    counts, _ = curve(rows, "with")
    for k, count in enumerate(counts):
        click.echo(f"{count:8}  " + "".join(f"{curve(rows, arm)[1][k]:10.3f}" for arm in ARMS))
    click.echo("frames to reach .95: " + ", ".join(f"{arm} {needed(rows, arm)}" for arm in ARMS))


def draw(rows: list[Row], picture: Path) -> None:
    """Draw accuracy against labelled frames."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 4), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    for (arm, label), color in zip(ARMS.items(), ("tab:gray", "tab:blue"), strict=True):
        axes.plot(
            *curve(rows, arm), "o-", color=color, label=f"{label}: {needed(rows, arm)} frames"
        )
        each = [(r["labelled"], r["accuracy"]) for r in rows if r["arm"] == arm]
        axes.plot(*zip(*each, strict=True), ".", color=color, alpha=0.5)
    axes.axhline(WANTED, color="black", lw=0.8, ls="--")
    axes.set(
        xlabel="labelled frames of 300",
        ylabel="neurons found by name within 4 µm",
        title="Labels needed to reach 95 %",
    )
    axes.legend(loc="lower right")
    figure.savefig(picture, dpi=130)


if __name__ == "__main__":
    main()
