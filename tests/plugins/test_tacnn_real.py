"""tacnn in the harness on real frames: names without a matcher, and the frame it saw marked."""

import json
from pathlib import Path

import pytest
from tests.cli.running import trackbench

from trackbench.datasets.calcium import read_labeled_frames
from trackbench.datasets.recordings import Header, Recording
from trackbench.plugins.tacnn.training import train
from trackbench.plugins.tacnn.training_config import TrainingConfig


class Frames(Recording):
    """The labelled frames of targettrack as a recording."""

    def __init__(self, folder):
        self.frames = list(read_labeled_frames(folder / "targettrack").values())
        pitch = tuple(float(step) for step in self.frames[0].volume.voxel_um)
        super().__init__(Header(Path("frames"), tuple(range(3)), ("red", "green"), pitch))

    def volume(self, t):
        return self.frames[t].volume

    def points(self, t):
        return self.frames[t].cloud


@pytest.mark.real_data
def test_the_frame_that_was_labelled_is_contaminated_and_others_are_scored(real_data, tmp_path):
    with Frames(real_data) as recording:
        brief = TrainingConfig(base_steps=2, extra_steps=1)
        path = train(recording, {0: recording.points(0)}, brief, tmp_path / "run", targets=2)
    table = tmp_path / "table.json"
    answer = trackbench(
        "run", "--segmenters", f"tacnn[weights={path}]", "--labelers", "known",
        "--dataset", "calcium", "--protocol", "targettrack-images", "--no-timing",
        "--out", tmp_path / "store", "--summary", table, TRACKBENCH_DATA=str(real_data),
    )  # fmt: skip
    assert answer.returncode == 0, answer.stderr_text
    rows = [row for row in json.loads(table.read_text()) if row["primary"]]
    assert len(rows) == 1
    assert rows[0]["matcher"] == "-"
    assert rows[0]["statuses"]["contaminated"] == 2
    assert rows[0]["statuses"]["ok"] == 4
