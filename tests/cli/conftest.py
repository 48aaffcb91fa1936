"""What the trial plugins were asked."""

import pytest


@pytest.fixture
def calls(tmp_path, monkeypatch):
    """Give a function that lists what counted plugins were asked, by kind of call."""
    log = tmp_path / "calls"
    monkeypatch.setenv("TRIAL_LOG", str(log))

    def of(kind):
        lines = log.read_text().splitlines() if log.exists() else []
        return [line for line in lines if line.startswith(kind)]

    return of
