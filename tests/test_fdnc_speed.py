"""The experiment on the speed of fdnc follows its parts: a part that is gone makes it fail."""

import pytest
import torch
from click.testing import CliRunner
from experiments.fdnc_speed import PARTS, TORCH, main, operations

from trackbench.plugins.fdnc import kernels
from trackbench.plugins.fdnc.attention import Block


@pytest.fixture
def run(monkeypatch, tmp_path):
    """Run the experiment without real worms; give its lines."""
    for variable in ("TRACKBENCH_DATA", "XDG_CACHE_HOME"):
        monkeypatch.setenv(variable, str(tmp_path))
    threads = torch.get_num_threads()

    def run(*arguments):
        answer = CliRunner().invoke(main, arguments, catch_exceptions=False)
        assert answer.exit_code == 0, answer.output
        return answer.stdout.splitlines()

    yield run
    torch.set_num_threads(threads)


def test_every_stage_is_timed(run):
    lines = run("--threads", "1", "--repeats", "1")
    header = next(i for i, line in enumerate(lines) if line.startswith("ms a volume"))
    assert (lines[header].count("native") == 1) == (kernels.why_absent() is None)
    table = {
        line[:36].strip(): [float(x) for x in line[36:].split()] for line in lines[header + 1 :]
    }
    whole = table.pop("matched")
    assert len(table) >= 12
    assert all(min(times) > 0 for name, times in table.items() if name)
    assert table["principal axes"][0] < whole[0]


def test_every_part_is_left_out(run):
    lines = run("--ablation", "--pairs", "2")
    for name, part in PARTS.items():
        computed = part.by == TORCH or kernels.why_absent() is None
        assert any(line.startswith(name) for line in lines) == computed
    assert all("n=2" in line for line in lines if "m_pair" in line)


def test_operations_count_every_product_twice():
    blocks = [Block(8, 2, 16, crosses=True)]
    test, template = 5, 3
    attention = test * 8 * (4 * 8) + 2 * test * 8 * (test + template)
    forward = 2 * test * 8 * 16
    scores = test * 8 * (template + 1)
    assert operations(blocks, test, template) == 2 * (attention + forward + scores)
