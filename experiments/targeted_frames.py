"""What targeted augmentation gains on targettrack's real frames.

::

    python experiments/targeted_frames.py --labels 1 --out DIR
    python experiments/targeted_frames.py --labels 2 --out DIR
    python experiments/targeted_frames.py --masks --seeds 1 --out DIR

TRACKBENCH_DATA names the folder that holds targettrack/. Points: one or two of the human-labelled
frames A, B, C are learned, the others are predicted; accuracy is the share of a frame's human
points for which the neuron of that number is found within 4 voxels. Masks: two of the frames 520,
620, 672 are learned, the third is predicted; a label is found if its centroid is within 1.5 µm.

Both arms share the steps on the labelled frames and go on from the same weights for the same
number of steps. Targets are all frames of the recording that weren't labelled, the predicted one
included: its image, never its labels. Each answer is scored as the network gives it and, with
points, guided by the labelled frames, as `tacnn` does by default. One JSON line a score in DIR;
finished trainings aren't repeated.
"""

from __future__ import annotations

import json
import os
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

import click
import numpy as np
import torch

from trackbench.datasets.calcium import read_labeled_frames
from trackbench.datasets.readers.targettrack import POINT_VOXEL_UM, read_frame, read_label_frame
from trackbench.plugins.tacnn.config import TacnnConfig
from trackbench.plugins.tacnn.course import Course
from trackbench.plugins.tacnn.decode import find_neurons
from trackbench.plugins.tacnn.frames import Frame, fit_canvas, place_labels, prepare
from trackbench.plugins.tacnn.guide import locate
from trackbench.plugins.tacnn.labelled import LabelledFrame, from_masks, from_points
from trackbench.plugins.tacnn.learner import predict
from trackbench.plugins.tacnn.posture import nearest_labelled, posture_space, silhouette
from trackbench.plugins.tacnn.training_config import TrainingConfig

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from trackbench.core.types import PointCloud, Volume
    from trackbench.plugins.tacnn.decode import Found
    from trackbench.plugins.tacnn.network import TacnnNetwork

LETTERS: Final = ("A", "B", "C")
UNLABELLED: Final = ("ex2", "ex3", "ex4", "ex5")
MASKS: Final = ("520", "620", "672")
ARMS: Final = ("without", "with")
TOLERANCE_VOXELS: Final = 4.0
TOLERANCE_UM: Final = 1.5

Row = dict[str, Any]


class Frames(Protocol):
    """Labelled and unlabelled frames of one recording, and how an answer is scored."""

    @property
    def labelled(self) -> tuple[str, ...]:
        """Keys of the labelled frames."""

    def learn(
        self, chosen: Sequence[str], config: TrainingConfig
    ) -> tuple[dict[str, Frame], list[LabelledFrame], int]:
        """Give all frames on one canvas, the chosen ones with labels, and how many classes."""

    def score(self, key: str, probability: NDArray[np.float32], found: Found) -> Row:
        """Count what is right in the answer on a labelled frame."""


class Points:
    """The frames with points."""

    labelled = LETTERS

    def __init__(self, folder: Path) -> None:
        found = read_labeled_frames(folder)
        self.truth: dict[str, PointCloud] = {letter: found[letter].cloud for letter in LETTERS}
        self.volumes: dict[str, Volume] = {
            letter: volume for letter in LETTERS if (volume := found[letter].volume) is not None
        }
        for name in UNLABELLED:
            self.volumes[name] = read_frame(folder / "data_points" / name / "frame_tar.npy")
        self.frames: dict[str, Frame] = {}
        self.names: list[str] = []

    def learn(
        self, chosen: Sequence[str], config: TrainingConfig
    ) -> tuple[dict[str, Frame], list[LabelledFrame], int]:
        """Give all frames on one canvas, the chosen ones with labels, and how many classes."""
        places = np.concatenate([self.truth[letter].zyx_um for letter in chosen])
        self.names = sorted({n for x in chosen for n in self.truth[x].names or ()}, key=int)
        canvas = fit_canvas(self.volumes[chosen[0]], places, config.reduce)
        self.frames = {key: prepare(volume, canvas) for key, volume in self.volumes.items()}
        number = {name: i for i, name in enumerate(self.names, start=1)}
        labelled = []
        for letter in chosen:
            cloud = self.truth[letter]
            classes = np.array([number[name] for name in cloud.names or ()], np.intp)
            labelled.append(from_points(self.frames[letter], cloud.zyx_um, classes, config.radius))
        return self.frames, labelled, len(self.names) + 1

    def score(self, key: str, probability: NDArray[np.float32], found: Found) -> Row:
        """Count human points whose neuron is found within 4 voxels."""
        frame, cloud = self.frames[key], self.truth[key]
        voxels = frame.to_um(found.voxels) / POINT_VOXEL_UM
        place = {self.names[k - 1]: at for k, at in zip(found.classes, voxels, strict=True)}
        truth = zip(cloud.names or (), cloud.zyx_um / POINT_VOXEL_UM, strict=True)
        right = [
            name in place and float(np.linalg.norm(place[name] - at)) <= TOLERANCE_VOXELS
            for name, at in truth
        ]
        return {"right": sum(right), "n": len(cloud), "found": len(found.classes)}


class Masks:
    """The frames with label volumes."""

    labelled = MASKS

    def __init__(self, folder: Path) -> None:
        labels = folder / "data_mask" / "gt"
        self.volumes: dict[str, Volume] = {}
        self.truth: dict[str, NDArray[Any]] = {}
        for key in MASKS:
            self.volumes[key], self.truth[key] = read_label_frame(
                labels / f"frame_{key}.npy", labels / f"mask_{key}.npy"
            )
        for path in sorted((folder / "data_mask" / "target").glob("frame_*.npy")):
            mask = path.with_name(path.name.replace("frame", "mask"))
            self.volumes[path.stem], _ = read_label_frame(path, mask)
        self.frames: dict[str, Frame] = {}
        self.names: list[int] = []
        self.config = TrainingConfig()

    def learn(
        self, chosen: Sequence[str], config: TrainingConfig
    ) -> tuple[dict[str, Frame], list[LabelledFrame], int]:
        """Give all frames on one canvas, the chosen ones with labels, and how many classes."""
        self.config = config
        pitch = np.asarray(self.volumes[chosen[0]].voxel_um)
        places = np.concatenate([np.argwhere(self.truth[x] > 0) * pitch for x in chosen])
        self.names = sorted({int(k) for x in chosen for k in np.unique(self.truth[x])} - {0})
        canvas = fit_canvas(self.volumes[chosen[0]], places, config.reduce)
        self.frames = {key: prepare(volume, canvas) for key, volume in self.volumes.items()}
        labelled = [from_masks(self.frames[x], self._renumbered(x), config.reduce) for x in chosen]
        return self.frames, labelled, len(self.names) + 1

    def score(self, key: str, probability: NDArray[np.float32], found: Found) -> Row:
        """Count labels whose centroid is within 1.5 µm, and their intersection over union."""
        frame = self.frames[key]
        truth = place_labels(frame, self._renumbered(key), self.config.reduce)
        place = {int(k): at for k, at in zip(found.classes, found.voxels, strict=True)}
        answer = probability.argmax(axis=3)
        right, shares = 0, []
        for number in (int(k) for k in np.unique(truth) if k > 0):
            own, said = truth == number, answer == number
            if number in place:
                off = (place[number] - np.argwhere(own).mean(axis=0)) * frame.voxel_um
                right += bool(np.linalg.norm(off) <= TOLERANCE_UM)
            shares.append(float((own & said).sum() / (own | said).sum()))
        return {"right": right, "n": len(shares), "iou": float(np.mean(shares))}

    def _renumbered(self, key: str) -> NDArray[np.int16]:
        """Count the learned labels from 1; others become background."""
        labels = self.truth[key]
        table = np.zeros(max(int(labels.max()), *self.names) + 1, np.int16)
        table[self.names] = np.arange(1, len(self.names) + 1)
        numbered: NDArray[np.int16] = table[labels]
        return numbered


def compare(
    frames: Mapping[str, Frame],
    labelled: Sequence[LabelledFrame],
    classes: int,
    chosen: Sequence[str],
    config: TrainingConfig,
) -> Iterator[tuple[str, TacnnNetwork]]:
    """Train both arms from the same first steps."""
    keys = list(frames)
    places = posture_space(np.stack([silhouette(frames[key].image) for key in keys]))
    own = [keys.index(key) for key in chosen]
    targets = [
        (frames[key].image, tuple(own.index(k) for k in nearest_labelled(places, own, i)))
        for i, key in enumerate(keys)
        if i not in own
    ]
    start = Course(config, labelled, classes, targets)
    while start.done < config.base_steps:
        start.step()
    state = start.state()
    for arm in ARMS:
        settings = config.model_copy(update={"targeted": arm == "with"})
        course = Course(settings, labelled, classes, targets)
        course.resume(state)
        while course.done < course.steps:
            course.step()
        yield arm, course.learner.network


@click.command(help=(__doc__ or "").replace("::", "\b"))
@click.option("--labels", type=click.IntRange(1, 2), default=1, show_default=True)
@click.option("--masks", is_flag=True)
@click.option("--seeds", type=click.IntRange(1), default=2, show_default=True)
@click.option("--base-steps", type=click.IntRange(1), default=100, show_default=True)
@click.option("--extra-steps", type=click.IntRange(1), default=120, show_default=True)
@click.option("--threads", type=click.IntRange(1), default=1, show_default=True)
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), required=True)
def main(
    *,
    labels: int,
    masks: bool,
    seeds: int,
    base_steps: int,
    extra_steps: int,
    threads: int,
    out: Path,
) -> None:
    """Run what isn't in the results yet, then print the table."""
    torch.set_num_threads(threads)
    folder = Path(os.environ["TRACKBENCH_DATA"]) / "targettrack"
    data: Frames = Masks(folder) if masks else Points(folder)
    size = 2 if masks else labels
    out.mkdir(parents=True, exist_ok=True)
    results = out / ("masks.jsonl" if masks else f"points-{size}.jsonl")
    rows = [json.loads(line) for line in results.open()] if results.exists() else []
    for seed in range(seeds):
        config = TrainingConfig(seed=seed, base_steps=base_steps, extra_steps=extra_steps)
        for chosen in combinations(data.labelled, size):
            learned = "+".join(chosen)
            if any(row["learned"] == learned and row["seed"] == seed for row in rows):
                continue
            frames, labelled, classes = data.learn(chosen, config)
            references = [frame.reference for frame in labelled]
            new = []
            for arm, network in compare(frames, labelled, classes, chosen, config):
                for key in set(data.labelled) - set(chosen):
                    image = frames[key].image
                    answer = predict(network, image)
                    row = {"learned": learned, "seed": seed, "arm": arm, "frame": key}
                    found = find_neurons(answer, image[0])
                    new.append(row | {"guided": False} | data.score(key, answer, found))
                    if not masks:
                        found = locate(answer, image, references, TacnnConfig().guide_um)
                        new.append(row | {"guided": True} | data.score(key, answer, found))
            with results.open("a") as file:
                file.writelines(json.dumps(row) + "\n" for row in new)
            rows += new
            click.echo("\n".join(map(str, new)))
    show(rows)


def show(rows: Sequence[Row]) -> None:
    """Print the share of right neurons by learned frames, predicted frame and arm."""
    for by in sorted({row["guided"] for row in rows}):
        click.echo("guided by the labelled frames" if by else "the network's answer alone")
        click.echo(f"{'learned':12} {'frame':6}" + "".join(f"{arm:>10}" for arm in ARMS))
        same = [row for row in rows if row["guided"] == by]
        for learned, frame in sorted({(row["learned"], row["frame"]) for row in same}):
            own = [row for row in same if (row["learned"], row["frame"]) == (learned, frame)]
            click.echo(f"{learned:12} {frame:6}" + "".join(_share(own, arm) for arm in ARMS))
        click.echo(f"{'mean':19}" + "".join(_share(same, arm) for arm in ARMS))


def _share(rows: Sequence[Row], arm: str) -> str:
    shares = [row["right"] / row["n"] for row in rows if row["arm"] == arm]
    unions = [row["iou"] for row in rows if row["arm"] == arm and "iou" in row]
    return f"{np.mean(shares):10.3f}" + (f" (IoU {np.mean(unions):.2f})" if unions else "")


if __name__ == "__main__":
    main()
