"""A video of a recording with the tracks and their names drawn over it."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from trackbench.errors import InputError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from matplotlib.figure import Figure
    from numpy.typing import NDArray
    from PIL.Image import Image

    from trackbench.datasets.recordings import Recording
    from trackbench.track.tracks import Tracks

__all__ = ["VIDEO_SUFFIXES", "check_video", "draw_video"]

VIDEO_SUFFIXES: Final = (".gif", ".mp4")
PER_SECOND: Final = 8
WIDTH_IN: Final = 10.0
DPI: Final = 90
MARKERS: Final = ("", "o", "s", "x")
"""Missing (not drawn), matched, re-assigned, interpolated."""


def check_video(path: Path) -> None:
    """Refuse a video that can't be written, before any work.

    Raises
    ------
    UsageError
    """
    if path.suffix.lower() not in VIDEO_SUFFIXES:
        raise UsageError(f"can't write {path}", "a video is a .gif or an .mp4")
    if path.suffix.lower() == ".mp4" and shutil.which("ffmpeg") is None:
        raise UsageError(f"can't write {path}: ffmpeg isn't installed", "write a .gif")


def draw_video(
    path: Path,
    recording: Recording,
    tracks: Tracks,
    volumes: Sequence[int],
    advance: Callable[[int], object] = int,
) -> None:
    """Draw volumes as seen along z, one a picture, and the tracks over them.

    Behind the tracks is the brightest value along z of the first channel (and of the second in
    green), or the recording's own points where it has no images.

    Parameters
    ----------
    path : Path
        ``.gif``, or ``.mp4`` where ffmpeg is installed.
    recording : Recording
    tracks : Tracks
        Of this recording.
    volumes : sequence of int
        Which, by index, in this order.
    advance : callable
        Told of each picture.
    """
    pictures = _pictures(recording, tracks, volumes, advance)
    if path.suffix.lower() == ".gif":
        first = next(pictures)
        first.save(path, save_all=True, append_images=pictures, duration=1000 // PER_SECOND, loop=0)
        return
    _write_mp4(path, pictures)


def _write_mp4(path: Path, pictures: Iterator[Image]) -> None:
    import subprocess

    first = next(pictures)
    size = f"{first.width}x{first.height}"
    source = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", size, "-r", str(PER_SECOND), "-i", "-"]
    coded = ["-vf", "pad=ceil(iw/2)*2:ceil(ih/2)*2", "-pix_fmt", "yuv420p", str(path)]
    command = ["ffmpeg", "-y", "-loglevel", "error", *source, *coded]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as process:
        if process.stdin is not None:
            process.stdin.write(first.convert("RGB").tobytes())
            for picture in pictures:
                process.stdin.write(picture.convert("RGB").tobytes())
    if process.returncode:
        raise UsageError(f"can't write {path}: ffmpeg failed", "write a .gif")


def _pictures(
    recording: Recording,
    tracks: Tracks,
    volumes: Sequence[int],
    advance: Callable[[int], object],
) -> Iterator[Image]:
    from PIL import Image

    view = _field_of_view(recording, tracks, volumes)
    brightest: dict[int, float] = {}
    for t in volumes:
        figure = _figure(view)
        axes = figure.axes[0]
        _draw_behind(axes, recording, t, brightest)
        _draw_tracks(axes, tracks, t)
        axes.set_xlim(view[0], view[1])
        axes.set_ylim(view[3], view[2])
        canvas: Any = figure.canvas
        canvas.draw()
        advance(1)
        yield Image.fromarray(np.asarray(canvas.buffer_rgba())[..., :3].copy())


def _field_of_view(
    recording: Recording, tracks: Tracks, volumes: Sequence[int]
) -> tuple[float, float, float, float]:
    """Give x from, x to, y from, y to in µm: the image's, else that of all tracks."""
    for t in volumes:
        volume = _readable(recording, t)
        if volume is not None:
            height, width = volume.data.shape[2:]
            _, dy, dx = volume.voxel_um
            return (-dx / 2, (width - 0.5) * dx, -dy / 2, (height - 0.5) * dy)
    points = tracks.zyx_um[list(volumes)].reshape(-1, 3)
    low, high = np.nanmin(points, axis=0) - 5, np.nanmax(points, axis=0) + 5
    return (float(low[2]), float(high[2]), float(low[1]), float(high[1]))


def _readable(recording: Recording, t: int) -> Any:
    try:
        return recording.volume(t)
    except InputError:
        return None


def _figure(view: tuple[float, float, float, float]) -> Figure:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    ratio = (view[3] - view[2]) / max(view[1] - view[0], 1.0)
    figure = Figure(figsize=(WIDTH_IN, min(max(WIDTH_IN * ratio, 3.0), 12.0)), dpi=DPI)
    FigureCanvasAgg(figure)
    figure.patch.set_facecolor("black")
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_facecolor("black")
    axes.axis("off")
    axes.set_aspect("equal")
    return figure


def _draw_behind(axes: Any, recording: Recording, t: int, brightest: dict[int, float]) -> None:
    volume = _readable(recording, t)
    if volume is not None:
        image = _projected(volume.data, brightest)
        height, width = image.shape[:2]
        _, dy, dx = volume.voxel_um
        reach = (-dx / 2, (width - 0.5) * dx, (height - 0.5) * dy, -dy / 2)
        axes.imshow(image, extent=reach, interpolation="bilinear")
    elif not recording.has_images:
        try:
            cloud = recording.points(t)
        except InputError:
            return
        if cloud is not None:
            axes.plot(cloud.zyx_um[:, 2], cloud.zyx_um[:, 1], ".", color="#666666", markersize=9)


def _projected(data: NDArray[Any], brightest: dict[int, float]) -> NDArray[np.float64]:
    """Show the first channel in gray, or the first two in magenta and green, (y, x, 3)."""
    layers = []
    for c, channel in enumerate(data[:2]):
        flat = channel.max(axis=0).astype(np.float64)
        flat -= np.median(flat)
        # one scale for all pictures, so that brightness can be compared
        scale = brightest.setdefault(c, max(float(np.percentile(flat, 99.7)), 1e-9))
        layers.append(np.clip(flat / scale, 0, 1))
    red, green = layers[0], layers[-1]
    return np.stack([red, green, red], axis=2)


def _draw_tracks(axes: Any, tracks: Tracks, t: int) -> None:
    colors = _colors(len(tracks.names))
    for flag, marker in enumerate(MARKERS):
        for j in np.flatnonzero((tracks.flags[t] == flag) & bool(marker)):
            y, x = tracks.zyx_um[t, j, 1:]
            look = {"markerfacecolor": "none", "markeredgewidth": 0.9, "markersize": 5}
            axes.plot(x, y, marker, color=colors[j], **look)
            text, place = tracks.names[j] or str(j), (3, 3)
            axes.annotate(
                text, (x, y), place, textcoords="offset points", fontsize=6, color=colors[j]
            )
    time = tracks.times_s[t]
    when = f"frame {tracks.numbers[t]}" + (f", {time:.1f} s" if np.isfinite(time) else "")
    axes.text(0.01, 0.98, when, color="white", fontsize=9, va="top", transform=axes.transAxes)


def _colors(count: int) -> NDArray[np.float64]:
    """Give every track a hue of its own, light enough for black; neighbours in number differ."""
    from matplotlib.colors import hsv_to_rgb

    hue = (np.arange(count) * 0.618034) % 1.0
    colors: NDArray[np.float64] = hsv_to_rgb(
        np.stack([hue, np.full(count, 0.55), np.ones(count)], axis=1)
    )
    return colors
