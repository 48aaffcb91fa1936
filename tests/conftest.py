"""Real worms where they are, and trial plugins that child processes find as if installed."""

import os
from pathlib import Path

import pytest

TRIALS = Path(__file__).parent / "trials"


@pytest.fixture(scope="session", autouse=True)
def trial_plugins():
    """Hand this session's path on to child processes; pytest's own has it by its settings."""
    with pytest.MonkeyPatch.context() as patch:
        before = os.environ.get("PYTHONPATH")
        patch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [str(TRIALS), before])))
        yield


@pytest.fixture(scope="session")
def real_data() -> Path:
    folder = Path(os.environ.get("TRACKBENCH_DATA", "-"))
    if not folder.is_dir():
        pytest.skip("TRACKBENCH_DATA names no folder of real worms")
    return folder
