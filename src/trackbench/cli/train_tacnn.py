"""``trackbench train tacnn``: learn one recording from a few labelled frames."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import click
import numpy as np

from trackbench.cli.recording_options import RECORDING, recording_options
from trackbench.cli.train import FILE, FOLDER
from trackbench.errors import UsageError
from trackbench.plugins.tacnn.training_config import TrainingConfig

if TYPE_CHECKING:
    from pathlib import Path

    from trackbench.core.types import PointCloud
    from trackbench.datasets.recordings import Recording
    from trackbench.track.plan import Source

__all__ = ["command"]


class _Numbers(click.ParamType):  # type: ignore[type-arg]
    name = "numbers"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, ...]:
        try:
            return tuple(sorted({int(part) for part in str(value).split(",") if part.strip()}))
        except ValueError:
            self.fail(f"{value!r} isn't a list of frame numbers, such as 0,17", param, ctx)


NUMBERS = _Numbers()
DEFAULTS: Final = TrainingConfig()


@click.command("tacnn")
@click.argument("recording", type=RECORDING)
@click.option(
    "--frames", type=NUMBERS, required=True, metavar="LIST", help="Labelled frames, such as 0,17."
)
@click.option("--masks", is_flag=True, help="Learn from label masks instead of points.")
@click.option("--tracks", type=FILE, help="Tracks that trackbench track made of this recording.")
@click.option(
    "--approve",
    type=NUMBERS,
    default="",
    metavar="LIST",
    help="Frames of --tracks that you looked at and found right: learned as well.",
)
@click.option("-o", "--out", type=FOLDER, required=True, help="Folder; resumed if it exists.")
@click.option(
    "--targets",
    type=click.IntRange(1),
    default=20,
    show_default=True,
    help="Frames that labelled ones are deformed towards.",
)
@click.option(
    "--targeted/--no-targeted",
    default=True,
    show_default=True,
    help="Without: labelled frames alone.",
)
@click.option(
    "--base-steps",
    type=click.IntRange(1),
    default=DEFAULTS.base_steps,
    show_default=True,
    help="Steps on labelled frames alone.",
)
@click.option(
    "--extra-steps",
    type=click.IntRange(0),
    default=DEFAULTS.extra_steps,
    show_default=True,
    help="Steps on labelled and deformed frames.",
)
@click.option(
    "--share",
    type=click.FloatRange(0, 1, min_open=True),
    default=DEFAULTS.share,
    show_default=True,
    help="Part of the way to a target that a frame is deformed.",
)
@click.option(
    "--radius",
    type=click.FloatRange(0, 50, min_open=True),
    default=DEFAULTS.radius,
    show_default=True,
    help="Voxels around a point that are labelled.",
)
@click.option(
    "--reduce",
    type=click.IntRange(1, 8),
    default=DEFAULTS.reduce[2],
    show_default=True,
    help="Voxels along y and x that become one; 1 where neurons are few voxels wide.",
)
@click.option("--device", type=click.Choice(["cpu", "cuda"]), default="cpu", show_default=True)
@click.option("--threads", type=click.IntRange(1), default=1, show_default=True)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True)
@recording_options
def command(
    *,
    source: Source,
    frames: tuple[int, ...],
    masks: bool,
    tracks: Path | None,
    approve: tuple[int, ...],
    out: Path,
    targets: int,
    targeted: bool,
    base_steps: int,
    extra_steps: int,
    share: float,
    radius: float,
    reduce: int,
    device: str,
    threads: int,
    seed: int,
) -> None:
    """Train tacnn on a few labelled frames of RECORDING: weights.safetensors in OUT.

    \b
    Labels are the recording's own points (pointdat) or masks. Frames whose postures are unlike
    all labelled ones become targets (postures.png shows them): labelled frames are deformed
    towards them by the network's own answers and learned as well. Then track with it:
      trackbench simulate --images small --recording 300 --out worm.h5
      trackbench train tacnn worm.h5 --frames 0,150 --out run
      trackbench track worm.h5 --segmenter tacnn[weights=run/weights.safetensors] -o tracks.h5
    Frames that came out right can be labels of the next training:
      trackbench train tacnn worm.h5 --frames 0,150 --tracks tracks.h5 --approve 40,200 --out again
    An interrupted run goes on where it stopped, at most some seconds back.
    """
    from trackbench.cli.progress import shown_steps
    from trackbench.plugins.tacnn.training import train

    config = TrainingConfig(
        seed=seed,
        targeted=targeted,
        base_steps=base_steps,
        extra_steps=extra_steps,
        share=share,
        radius=radius,
        reduce=(1, reduce, reduce),
    )
    with source.open() as recording:
        labels: dict[int, Any] = {
            recording.index(number): _label(recording, number, masks=masks) for number in frames
        }
        labels |= _approved(recording, tracks, approve)
        with shown_steps(config.base_steps + config.extra_steps) as advance:
            weights = train(
                recording,
                labels,
                config,
                out,
                targets=targets,
                device=device,
                threads=threads,
                advance=advance,
            )
    click.echo(f"{out / 'postures.png'}: labelled, target and parent frames")
    click.echo(f"{weights}: {weights.stat().st_size / 2**20:.1f} MiB")


def _label(recording: Recording, number: int, *, masks: bool) -> Any:
    t = recording.index(number)
    found = recording.labels(t) if masks else recording.points(t)
    if found is None:
        kind = "mask" if masks else "points"
        raise UsageError(
            f"{recording.header.path}: frame {number} has no {kind}",
            "label it, or name frames that are labelled",
        )
    return found


def _approved(
    recording: Recording, path: Path | None, numbers: tuple[int, ...]
) -> dict[int, PointCloud]:
    from trackbench.core.types import PointCloud
    from trackbench.track.tracks import read_tracks

    if (path is None) != (not numbers):
        raise UsageError(
            "--tracks and --approve belong together", "give the tracks and the frames of them"
        )
    if path is None:
        return {}
    tracks = read_tracks(path)
    row = {int(number): t for t, number in enumerate(tracks.numbers)}
    labels = {}
    for number in numbers:
        if number not in row:
            raise UsageError(f"{path}: there is no frame {number}", "approve frames of the tracks")
        places = tracks.zyx_um[row[number]]
        found = np.flatnonzero(np.isfinite(places).all(axis=1))
        names = tuple(tracks.names[j] for j in found)
        labels[recording.index(number)] = PointCloud(
            places[found], names=names, id=f"{recording.id}-{number}", animal=recording.id
        )
    return labels
