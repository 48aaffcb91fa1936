"""Follows the neurons of a worm through a recording, one volume at a time.

Each volume is matched by itself to one template, so that an error never drags on and a volume
that can't be read costs nothing but itself; `smoothed` uses time afterwards, where it is asked to.
"""

from trackbench.track.plan import TrackPlan, make_plan
from trackbench.track.run import Peak, track
from trackbench.track.smooth import SmoothConfig, smoothed
from trackbench.track.tracks import (
    FLAGS,
    STATUSES,
    Detections,
    Tracks,
    independent,
    read_tracks,
    write_tracks,
)

__all__ = [
    "FLAGS",
    "STATUSES",
    "Detections",
    "Peak",
    "SmoothConfig",
    "TrackPlan",
    "Tracks",
    "independent",
    "make_plan",
    "read_tracks",
    "smoothed",
    "track",
    "write_tracks",
]
