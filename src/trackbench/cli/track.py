"""``trackbench track``: follow the neurons of a worm through a recording."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from trackbench.cli.recording_options import RECORDING, recording_options
from trackbench.errors import CellsFailedError, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from trackbench.core.registry import Registry
    from trackbench.core.types import PointCloud
    from trackbench.track import Peak, TrackPlan, Tracks
    from trackbench.track.plan import Source

__all__ = ["command"]

FILE = click.Path(path_type=Path, dir_okay=False)
SHOWN_NOTES: Final = 5
NAMING_ERROR: Final = 0.05


@click.command("track")
@click.argument("recording", type=RECORDING)
@click.option(
    "--template",
    metavar="FRAME|FILE",
    help="A frame number of the recording, or a worm with names (.csv, .data, .npy).",
)
@click.option(
    "--segmenter",
    metavar="NAME",
    help="Such as blobs; points: the recording's own. Default: blobs if there are images.",
)
@click.option("--matcher", default="fdnc", show_default=True, help="Such as cpd[keep=4].")
@click.option("--labeler", metavar="SUM", help="Names the tracks by the template: such as best.")
@click.option(
    "-o", "--out", type=FILE, default=Path("tracks.h5"), show_default=True, help="HDF5 file."
)
@click.option("--csv/--no-csv", "table", default=True, show_default=True, help="Also as a table.")
@click.option("--smooth", is_flag=True, help="Use time: re-assign and interpolate.")
@click.option("--raster", type=FILE, help="Picture (.png) of every neuron through time.")
@click.option("--video", type=FILE, help="Overlay with names: a .gif, or .mp4 with ffmpeg.")
@click.option(
    "--video-volumes",
    type=click.IntRange(1, 10_000),
    default=100,
    show_default=True,
    help="Volumes of the video, from the first.",
)
@recording_options
@click.option("--workers", type=click.IntRange(1, 1024), help="Processes. Default: one a core.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True)
@click.option("--overwrite", is_flag=True, help="Throw earlier work under this name away.")
def command(
    *,
    source: Source,
    template: str | None,
    segmenter: str | None,
    matcher: str,
    labeler: str | None,
    out: Path,
    table: bool,
    smooth: bool,
    raster: Path | None,
    video: Path | None,
    video_volumes: int,
    workers: int | None,
    seed: int,
    overwrite: bool,
) -> None:
    """Follow the neurons of RECORDING: a position of each in every volume.

    \b
    RECORDING is an HDF5 file in targettrack's layout, a TIFF with a time axis, or a folder
    with a volume a file (.tif, .npy, or neurons as .csv or fDNC's .npy and .data).
      trackbench track worm.h5 --template 0 -o tracks.h5
      trackbench track points/ --template 663 --matcher cpd --raster raster.png

    Volumes are matched to the template one by one. A run that was stopped, even killed, goes on
    with the same command and ends with the same result; where OUT is finished already, only the
    pictures that are asked for are drawn.
    """
    from trackbench.benchmarks.threads import usable_cores
    from trackbench.core.registry import load_registry
    from trackbench.track import Peak, write_tracks
    from trackbench.track.parts import Parts

    _check_outputs(out, raster, video)
    registry = load_registry()
    plan = _plan(
        registry,
        source,
        template=template,
        segmenter=segmenter,
        matcher=matcher,
        seed=seed,
    )
    started, peak = time.monotonic(), Peak({})
    tracks = None if overwrite else _finished(out, plan)
    notes: list[tuple[int, str]] = []
    if tracks is None:
        tracks, notes, peak = _tracked(plan, out, workers or usable_cores(), overwrite=overwrite)
    tracks = _named(registry, _timed(tracks, smooth=smooth), plan, labeler)
    written = write_tracks(out, tracks, table=table)
    Parts.forget(out)
    _print(tracks, time.monotonic() - started, peak)
    written += _draw(source, tracks, raster, video, video_volumes)
    click.echo("wrote " + ", ".join(map(str, written)))
    _report(notes)


def _check_outputs(out: Path, raster: Path | None, video: Path | None) -> None:
    from trackbench.cli.output import check_writable
    from trackbench.track.video import check_video

    for path in filter(None, (out, raster, video)):
        check_writable(path)
    if out.suffix.lower() not in {".h5", ".hdf5"}:
        raise UsageError(f"can't write {out}", "tracks are HDF5: give a name that ends in .h5")
    if video is not None:
        check_video(video)


def _plan(
    registry: Registry,
    source: Source,
    *,
    template: str | None,
    segmenter: str | None,
    matcher: str,
    seed: int,
) -> TrackPlan:
    from trackbench.core.spec import parse_specs
    from trackbench.track import make_plan
    from trackbench.track.plan import OWN_POINTS

    if segmenter is None:
        with source.open() as recording:
            segmenter = "blobs" if recording.has_images else OWN_POINTS
    engines = parse_specs(matcher)
    finders = [] if segmenter == OWN_POINTS else parse_specs(segmenter)
    if len(engines) != 1 or len(finders) > 1:
        raise UsageError("a recording is tracked in one way", "name one matcher and one segmenter")
    return make_plan(
        registry,
        source,
        segmenter=finders[0] if finders else None,
        matcher=engines[0] if template is not None else None,
        template=None if template is None else _template(template, source),
        seed=seed,
    )


def _template(text: str, source: Source) -> int | PointCloud:
    from trackbench.datasets.readers import read_points

    if text.isdecimal():
        return int(text)
    path = Path(text)
    if not path.exists():
        raise UsageError(
            f"--template {text}: neither a frame number nor a file", "such as --template 0"
        )
    return read_points(path, mirrored=source.mirrored)


def _finished(out: Path, plan: TrackPlan) -> Tracks | None:
    """Give tracks that stand in OUT already, made by the same plan."""
    from trackbench.track import read_tracks

    if not out.exists():
        return None
    tracks = read_tracks(out)
    if tracks.attributes["key"] != plan.key:
        raise UsageError(
            f"{out} holds tracks of another recording or with other settings",
            "name another -o, or say --overwrite",
        )
    return tracks


def _tracked(
    plan: TrackPlan, out: Path, workers: int, *, overwrite: bool
) -> tuple[Tracks, list[tuple[int, str]], Peak]:
    from trackbench.cli.progress import shown_count
    from trackbench.track import track
    from trackbench.track.parts import Parts

    if overwrite:
        Parts.forget(out)
    with plan.source.open() as recording:
        total = len(recording)
    with shown_count("volumes", total) as advance:
        return track(plan, out, workers=workers, advance=advance)


def _timed(tracks: Tracks, *, smooth: bool) -> Tracks:
    from trackbench.cli.progress import shown_count
    from trackbench.track import SmoothConfig, independent, smoothed

    if not smooth:
        return independent(tracks)
    config = SmoothConfig()
    with shown_count("smoothing", len(tracks) * config.rounds) as advance:
        return smoothed(tracks, config, advance)


def _named(registry: Registry, tracks: Tracks, plan: TrackPlan, labeler: str | None) -> Tracks:
    """Let labelers name the template, and so the tracks."""
    import dataclasses

    from trackbench.core.spec import parse_combination
    from trackbench.identify import abstain, identify

    if labeler is None:
        return tracks
    if plan.template is None:
        raise UsageError("--labeler names the tracks by their template", "give --template")
    sums = parse_combination(labeler)
    if len(sums) != 1:
        raise UsageError(f"--labeler {labeler} is {len(sums)} sums", "give one, such as best")
    found = identify(registry, plan.template, sums[0])
    names = abstain(found.labels, NAMING_ERROR).names
    attributes = tracks.attributes | {"labeler": labeler}
    return dataclasses.replace(tracks, names=names, attributes=attributes)


def _print(tracks: Tracks, seconds: float, peak: Peak) -> None:
    from trackbench.track import FLAGS, STATUSES

    count = [int((tracks.flags == flag).sum()) for flag in range(len(FLAGS))]
    total = max(tracks.flags.size, 1)
    usable = int((tracks.status == 0).sum())
    click.echo(f"{len(tracks)} volumes, {len(tracks.names)} neurons: {usable} volumes tracked")
    for status, meaning in enumerate(STATUSES[1:], start=1):
        bad = tracks.numbers[tracks.status == status]
        if len(bad):
            click.echo(f"  {len(bad)} {meaning}: frame {_listed(bad.tolist())}")
    shares = (f"{n / total:.1%} {flag}" for flag, n in zip(FLAGS, count, strict=True) if n)
    click.echo("positions: " + ", ".join(shares))
    if peak.by_process:
        processes = len(peak.by_process)
        click.echo(f"{seconds:.1f} s, peak memory {peak.gib:.2f} GiB in {processes} processes")


def _listed(numbers: Sequence[int]) -> str:
    more = f" and {len(numbers) - SHOWN_NOTES} more" if len(numbers) > SHOWN_NOTES else ""
    return ", ".join(map(str, numbers[:SHOWN_NOTES])) + more


def _draw(
    source: Source, tracks: Tracks, raster: Path | None, video: Path | None, volumes: int
) -> list[Path]:
    from trackbench.cli.progress import shown_count
    from trackbench.track.raster import draw_raster
    from trackbench.track.truth import held_against_truth
    from trackbench.track.video import draw_video

    with source.open() as recording:
        if raster is not None:
            verdicts = held_against_truth(recording, tracks)
            draw_raster(raster, tracks, verdicts)
            if verdicts.known:
                click.echo(
                    f"{verdicts.accuracy:.1%} right of {verdicts.known} neurons that the "
                    "recording names"
                )
        if video is not None:
            shown = range(min(volumes, len(tracks)))
            with shown_count("video", len(shown)) as advance:
                draw_video(video, recording, tracks, shown, advance)
    return [path for path in (raster, video) if path is not None]


def _report(notes: Sequence[tuple[int, str]]) -> None:
    """Say which volumes couldn't be used; all others are written.

    Raises
    ------
    CellsFailedError
    """
    for number, note in notes[:SHOWN_NOTES]:
        click.echo(f"note: frame {number}: {note}", err=True)
    if notes:
        raise CellsFailedError(
            f"{len(notes)} volumes couldn't be used", "all others are tracked and written"
        )
