"""``trackbench traces``: the activity of tracked neurons."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from trackbench.cli.recording_options import RECORDING, recording_options
from trackbench.errors import CellsFailedError, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from trackbench.datasets.recordings import Recording
    from trackbench.traces import Activity, Fluorescence
    from trackbench.track import Tracks
    from trackbench.track.plan import Source

__all__ = ["command"]

FILE = click.Path(path_type=Path, dir_okay=False)
SHOWN_NOTES: Final = 5


@click.command("traces")
@click.argument("recording", type=RECORDING)
@click.argument("tracks_file", metavar="TRACKS", type=FILE)
@click.option(
    "-o", "--out", type=FILE, default=Path("traces.h5"), show_default=True, help="HDF5 file."
)
@click.option("--csv/--no-csv", "table", default=True, show_default=True, help="Also as a table.")
@click.option("--picture/--no-picture", default=True, show_default=True, help="Heat map (PNG).")
@click.option(
    "--radius-um",
    type=click.FloatRange(0, 20, min_open=True),
    help="Of the sphere whose light is a neuron's own. Default: 1.7.",
)
@recording_options
def command(
    *,
    source: Source,
    tracks_file: Path,
    out: Path,
    table: bool,
    picture: bool,
    radius_um: float | None,
) -> None:
    """Measure the light of every track of TRACKS in RECORDING, and what of it is activity.

    \b
      trackbench track worm.h5 --template 0 -o tracks.h5
      trackbench traces worm.h5 tracks.h5 -o traces.h5

    The first channel is the static (red) label, the second the indicator. The light around each
    neuron is subtracted, bleaching is fitted and divided out, and the ratio of both channels
    takes out what movement does to both; fast changes of red count as far as green has them too.
    dF/F0 is the change of that ratio relative to its 20th percentile. A simulated recording is
    held against its true calcium.
    """
    from trackbench.cli.output import check_writable
    from trackbench.traces import SampleConfig, activity, write_traces
    from trackbench.track import read_tracks

    check_writable(out)
    if out.suffix.lower() not in {".h5", ".hdf5"}:
        raise UsageError(f"can't write {out}", "traces are HDF5: give a name that ends in .h5")
    tracks = read_tracks(tracks_file)
    config = SampleConfig() if radius_um is None else SampleConfig(radius_um=radius_um)
    with source.open() as recording:
        truth = recording.calcium()
        light, notes = _measured(recording, tracks, config, with_truth=truth is not None)
        active = [activity(one) for one in light]
        verdicts = _verdicts(recording, tracks) if truth is not None else None
    written = write_traces(out, tracks, light[0], active[0], table=table)
    if picture:
        written.append(_drawn(out, tracks, active[0]))
    _print(tracks, light[0])
    if truth is not None:
        _print_quality(tracks, active, truth, verdicts)
    click.echo("wrote " + ", ".join(map(str, written)))
    _report(notes)


def _measured(
    recording: Recording, tracks: Tracks, config: Any, *, with_truth: bool
) -> tuple[list[Fluorescence], list[tuple[int, str]]]:
    from trackbench.cli.progress import shown_count
    from trackbench.traces import extract
    from trackbench.traces.extract import true_positions

    places = [tracks.zyx_um.astype(float)]
    if with_truth:
        places.append(true_positions(recording, tracks))
    with shown_count("volumes", len(tracks)) as advance:
        return extract(recording, tracks, places, config, advance)


def _verdicts(recording: Recording, tracks: Tracks) -> Any:
    from trackbench.track.truth import held_against_truth

    return held_against_truth(recording, tracks)


def _drawn(out: Path, tracks: Tracks, active: Activity) -> Path:
    from trackbench.traces.picture import draw_heat_map

    picture = out.with_suffix(".png")
    draw_heat_map(picture, tracks, active)
    return picture


def _print(tracks: Tracks, light: Fluorescence) -> None:
    import numpy as np

    seen = np.isfinite(light.signal[0])
    click.echo(
        f"{len(tracks)} volumes, {len(tracks.names)} neurons, channels "
        f"{' and '.join(light.channels)}: {seen.mean():.1%} of values measured"
    )


def _print_quality(tracks: Tracks, active: Sequence[Activity], truth: Any, verdicts: Any) -> None:
    """Say what tracking errors cost: the same traces at the true positions stand beside."""
    import numpy as np

    from trackbench.traces.quality import correlations, true_activity
    from trackbench.track.truth import RIGHT

    calcium = true_activity(tracks.names, truth)
    right = verdicts.verdict == RIGHT
    found, ideal = (one.dff for one in active)
    rows = (
        ("at the tracks", correlations(found, calcium)),
        ("where the track is right", correlations(found, calcium, right)),
        ("at the true positions", correlations(ideal, calcium)),
    )
    click.echo("correlation with the true calcium, median over neurons:")
    for place, values in rows:
        known = values[np.isfinite(values)]
        if len(known):
            click.echo(f"  {np.median(known):.3f} {place} ({len(known)} neurons)")
    click.echo(f"  {verdicts.accuracy:.1%} of {verdicts.known} true positions are tracked right")


def _report(notes: Sequence[tuple[int, str]]) -> None:
    for number, note in notes[:SHOWN_NOTES]:
        click.echo(f"note: frame {number}: {note}", err=True)
    if notes:
        raise CellsFailedError(
            f"{len(notes)} volumes couldn't be read", "all others are measured and written"
        )
