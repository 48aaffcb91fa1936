"""A small worm through time, as a folder of CSVs, and its tracks."""

import pytest

from trackbench.core.registry import load_registry
from trackbench.core.spec import parse_specs
from trackbench.datasets.semisynthetic.export import write_clouds
from trackbench.datasets.semisynthetic.recording import RecordingConfig, record
from trackbench.datasets.semisynthetic.shape import load_shapes
from trackbench.track import make_plan, track
from trackbench.track.plan import Source

NEURONS = 40
VOLUMES = 70


@pytest.fixture(scope="session")
def clouds():
    config = RecordingConfig(volumes=VOLUMES, neurons=NEURONS)
    return record(load_shapes(), config, seed=3)


@pytest.fixture(scope="session")
def recording(tmp_path_factory, clouds):
    folder = tmp_path_factory.mktemp("recordings") / "worm"
    write_clouds(folder, clouds)
    return folder


@pytest.fixture(scope="session")
def plan_of():
    def plan(path, matcher="cpd", template=0, segmenter=None):
        return make_plan(
            load_registry(),
            Source(path),
            segmenter=None if segmenter is None else parse_specs(segmenter)[0],
            matcher=None if matcher is None else parse_specs(matcher)[0],
            template=template,
        )

    return plan


@pytest.fixture(scope="session")
def tracked(recording, plan_of, tmp_path_factory):
    tracks, notes, _ = track(plan_of(recording), tmp_path_factory.mktemp("tracks") / "t.h5")
    assert notes == []
    return tracks
