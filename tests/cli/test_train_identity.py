import subprocess
import sys

import pytest
from click.testing import CliRunner

from trackbench.cli.train_identity import command
from trackbench.datasets.readers.wormnd import WORM_FOLDER, read_wormnd_index
from trackbench.datasets.splits import neuropal_split
from trackbench.plugins.identity import IdentityConfig, IdentityLabeler

TINY = """
[network]
width = 24
layers = 1
heads = 2
feed_forward = 32

[[members]]
steps = 2
batch = 2

[[members]]
steps = 2
batch = 2
start = 0
use = "position"
[members.augment]
colorless = 1.0
"""


@pytest.fixture
def few_worms(real_data, tmp_path):
    """Give a data folder with ten real train worms and two validation worms."""
    whole, folder = real_data / "wormnd", tmp_path / "data" / "wormnd"
    (folder / WORM_FOLDER).mkdir(parents=True)
    for table in ("group_assigns.csv", "handedness.csv"):
        (folder / table).symlink_to(whole / table)
    wanted = {"train": 10, "validation": 2, "test": 0}
    for entry in read_wormnd_index(whole):
        split = neuropal_split(entry.id, entry.lab, entry.group)
        if wanted[split]:
            wanted[split] -= 1
            (folder / WORM_FOLDER / entry.path.name).symlink_to(entry.path)
    return folder.parent


def train(*arguments):
    return CliRunner().invoke(command, [*map(str, arguments)])


def test_a_config_that_is_not_there_is_one_line(tmp_path):
    code = "from trackbench.cli import main; main()"
    arguments = ["train", "identity", "--config", tmp_path / "none.toml", "--out", tmp_path]
    answer = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False
    )
    assert answer.returncode == 2
    assert "none.toml" in answer.stderr
    assert "Traceback" not in answer.stderr


@pytest.mark.slow
@pytest.mark.real_data
def test_a_tiny_run_writes_weights_that_load(few_worms, tmp_path):
    config = tmp_path / "tiny.toml"
    config.write_text(TINY)
    out = tmp_path / "run"
    arguments = ("--config", config, "--data-dir", few_worms, "--out", out)
    found = train(*arguments)
    assert found.exit_code == 0, found.output
    labeler = IdentityLabeler(IdentityConfig(weights=out / "identity.safetensors"))
    assert labeler.fit(()).uses == ("always", "position")
    assert len(labeler.trained_on) == 10
    curve = (out / "curve.csv").read_text().splitlines()
    assert curve[0].startswith("member,step,loss,color_nll")
