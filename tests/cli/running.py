"""Starts the real command line in a process of its own."""

import json
import os
import subprocess
import sys
from pathlib import Path

COMMAND = [sys.executable, "-c", "from trackbench.cli import main; main()"]


def environment(**more):
    return os.environ | {"OMP_NUM_THREADS": "1"} | more


def start(*words, cwd=None, **more):
    return subprocess.Popen(
        [*COMMAND, *map(str, words)],
        cwd=cwd,
        env=environment(**more),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def trackbench(*words, cwd=None, **more):
    process = start(*words, cwd=cwd, **more)
    process.stdout_text, process.stderr_text = process.communicate(timeout=280)
    return process


def summary(path):
    return json.loads(Path(path).read_text(encoding="utf-8"))


def headline(rows):
    """Give the headline rows by matcher and labeler."""
    return {(row["matcher"], row["labeler"]): row for row in rows if row["primary"]}
