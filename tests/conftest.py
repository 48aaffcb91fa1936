"""Makes the trial plugins findable in the processes that tests start, as if installed."""

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
