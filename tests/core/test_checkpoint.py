import pickle

import pytest
import torch

from trackbench.core.checkpoint import Checkpoint
from trackbench.errors import InputError

STATE = {"step": 3, "weights": {"a": torch.arange(4.0)}}


@pytest.fixture
def checkpoint(tmp_path):
    return Checkpoint(tmp_path / "checkpoint.pt", "seed 0")


def test_what_was_saved_comes_back(checkpoint):
    assert checkpoint.load() is None
    checkpoint.save({"step": 2})
    checkpoint.save(STATE)
    found = checkpoint.load()
    assert found["step"] == 3
    assert torch.equal(found["weights"]["a"], STATE["weights"]["a"])
    assert [path.name for path in checkpoint.path.parent.iterdir()] == ["checkpoint.pt"]


def test_a_save_that_is_cut_short_leaves_the_last_one(checkpoint, monkeypatch):
    checkpoint.save(STATE)

    def cut_short(state, path):
        path.write_bytes(b"PK")
        raise KeyboardInterrupt

    monkeypatch.setattr(torch, "save", cut_short)
    with pytest.raises(KeyboardInterrupt):
        checkpoint.save({"step": 4})
    assert checkpoint.load()["step"] == 3


def test_another_run_is_refused(checkpoint):
    checkpoint.save(STATE)
    with pytest.raises(InputError, match="another config or other data: train into another folder"):
        Checkpoint(checkpoint.path, "seed 1").load()


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"step,loss\n1,2\n", pickle.dumps(print)])
def test_what_is_no_checkpoint_is_refused(checkpoint, content):
    checkpoint.path.write_bytes(content)
    with pytest.raises(InputError, match=r"checkpoint\.pt: not a readable checkpoint"):
        checkpoint.load()


def test_a_file_without_a_run_is_refused(checkpoint):
    torch.save({"step": 3}, checkpoint.path)
    with pytest.raises(InputError, match="belongs to a run with another config"):
        checkpoint.load()


def test_a_truncated_checkpoint_is_refused(checkpoint):
    checkpoint.save(STATE)
    whole = checkpoint.path.read_bytes()
    checkpoint.path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match="not a readable checkpoint"):
        checkpoint.load()
