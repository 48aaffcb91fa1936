import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from trackbench.cli.train_identity import command
from trackbench.plugins.identity import IdentityConfig, IdentityLabeler

DATA = os.environ.get("TRACKBENCH_DATA")
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
@pytest.mark.skipif(DATA is None, reason="TRACKBENCH_DATA is not set")
def test_a_tiny_run_writes_weights_that_load(tmp_path):
    config = tmp_path / "tiny.toml"
    config.write_text(TINY)
    out = tmp_path / "run"
    arguments = ("--config", config, "--data-dir", Path(DATA), "--out", out)
    found = train(*arguments)
    assert found.exit_code == 0, found.output
    labeler = IdentityLabeler(IdentityConfig(weights=out / "identity.safetensors"))
    assert labeler.fit(()).uses == ("always", "position")
    assert len(labeler.trained_on) > 0
    curve = (out / "curve.csv").read_text().splitlines()
    assert curve[0].startswith("member,step,loss,color_nll")
