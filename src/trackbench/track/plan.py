"""What is tracked, and how: the plan that every worker process is handed."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from trackbench.core.keys import content_key, core_key, source_key
from trackbench.core.types import ANONYMOUS, PointCloud
from trackbench.datasets.recordings import open_recording
from trackbench.errors import UsageError
from trackbench.track.detect import Detector

if TYPE_CHECKING:
    from pathlib import Path

    from trackbench.core.registry import Registry
    from trackbench.core.spec import Spec
    from trackbench.datasets.recordings import Recording

__all__ = ["OWN_POINTS", "Source", "TrackPlan", "make_plan", "track_names"]

OWN_POINTS: Final = "points"
"""In the place of a segmenter: the points that the recording brings along."""

SCHEMA: Final = 1
IMAGES_AT_ONCE: Final = 8
CLOUDS_AT_ONCE: Final = 64
"""Volumes a job: what a kill loses at most, and what a matcher is given at once."""


@dataclass(frozen=True)
class Source:
    """A recording and how to read it; see `open_recording`."""

    path: Path
    axes: str | None = None
    voxel_um: tuple[float, float, float] | None = None
    volumes_per_s: float | None = None
    mirrored: bool | None = None

    def open(self) -> Recording:
        """Open the recording."""
        return open_recording(
            self.path,
            axes=self.axes,
            voxel_um=self.voxel_um,
            volumes_per_s=self.volumes_per_s,
            mirrored=self.mirrored,
        )


@dataclass(frozen=True)
class TrackPlan:
    """How a recording is tracked.

    Parameters
    ----------
    source : Source
    segmenter : Spec, optional
        None for the recording's own points.
    matcher : Spec, optional
        None where the segmenter itself knows who is who.
    template : PointCloud, optional
        None without a matcher.
    names : tuple of str
        One a track; those that begin with ``?`` have no name.
    seed : int
    key : str
        Of all this, of the code that runs and of what computes it: results under another key are
        never mixed in.
    """

    source: Source
    segmenter: Spec | None
    matcher: Spec | None
    template: PointCloud | None
    names: tuple[str, ...]
    seed: int = 0
    key: str = ""

    @property
    def volumes_at_once(self) -> int:
        """Volumes a job."""
        return CLOUDS_AT_ONCE if self.segmenter is None else IMAGES_AT_ONCE


def make_plan(
    registry: Registry,
    source: Source,
    *,
    segmenter: Spec | None,
    matcher: Spec | None,
    template: int | PointCloud | None,
    seed: int = 0,
) -> TrackPlan:
    """Find the template and the names of the tracks.

    Parameters
    ----------
    registry : Registry
    source : Source
    segmenter : Spec, optional
        None for the recording's own points.
    matcher : Spec, optional
        None where the segmenter itself knows who is who.
    template : int or PointCloud, optional
        A frame number of the recording, or a worm from elsewhere. A frame with points of its own
        gives those with their names; another one is segmented.
    seed : int

    Raises
    ------
    UsageError
        No template and no identities from the segmenter; a frame that isn't there or is empty.
    InputError
        A recording or template that can't be read.
    """
    with source.open() as recording:
        detector = Detector.made(registry, recording, segmenter, seed)
        if template is None or matcher is None:
            cloud, names = None, _known_names(recording, detector)
        else:
            cloud = _template(recording, detector, template)
            if not len(cloud):
                raise UsageError(f"the template {cloud.id!r} holds no neuron", "name another")
            names = track_names(cloud)
        content = (recording.header.numbers, recording.header.channels, _size(source.path))
    used = (("segmenter", segmenter), ("matcher", matcher))
    plugins = [registry.create(kind, spec, seed) for kind, spec in used if spec is not None]
    # what is needed to tell results apart, not where the recording lies
    options = dataclasses.astuple(source)[1:]
    ways = [(source_key(type(plugin)), plugin.backend.name) for plugin in plugins]
    code = (SCHEMA, core_key(), ways, seed)
    key = content_key(source.path.name, options, content, str(segmenter), str(matcher), cloud, code)
    return TrackPlan(source, segmenter, matcher, cloud, names, seed, key)


def track_names(template: PointCloud) -> tuple[str, ...]:
    """Name one track a template neuron; a nameless one is ``?`` and its row."""
    names = template.names or ("",) * len(template)
    return tuple(name or f"{ANONYMOUS}{j}" for j, name in enumerate(names))


def _template(recording: Recording, detector: Detector, template: int | PointCloud) -> PointCloud:
    if isinstance(template, PointCloud):
        return template
    t = recording.index(template)
    own = recording.points(t)
    if own is None:
        own = detector.cloud(recording, t)
    if own is None:
        raise UsageError(
            f"{recording.header.path}: frame {template} is empty", "name another frame as template"
        )
    return own


def _known_names(recording: Recording, detector: Detector) -> tuple[str, ...]:
    """Give the identities that the segmenter knows, from the first volume that isn't empty."""
    for t in range(len(recording)):
        cloud = detector.cloud(recording, t)
        if cloud is not None and cloud.evidence is not None:
            return cloud.evidence.names
        if cloud is not None:
            break
    raise UsageError(
        "the neurons of a volume don't say who they are",
        "give a template: --template 0 or --template named.csv",
    )


def _size(path: Path) -> int:
    if path.is_dir():
        return sum(item.stat().st_size for item in path.iterdir() if item.is_file())
    return path.stat().st_size
