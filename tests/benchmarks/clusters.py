"""Starts a Dask scheduler and workers as processes of their own on the loopback interface."""

import os
import subprocess
import sys
import time
from contextlib import contextmanager

STARTING_S = 60


class Cluster:
    """A scheduler with its workers; `address` is its scheduler file."""

    def __init__(self, folder):
        self.folder = folder
        self.address = folder / "scheduler.json"
        self.workers = []
        self.scheduler = self._start("dask_scheduler", "--host", "127.0.0.1", "--port", "0")
        _wait_for(self.address.exists)

    def add_worker(self, *words, **environment):
        """Start a worker of one thread without a nanny, so that a killed one stays dead."""
        self.workers.append(
            self._start("dask_worker", "--nthreads", "1", "--no-nanny", *words, **environment)
        )
        return self.workers[-1]

    def close(self):
        for process in (*self.workers, self.scheduler):
            process.kill()
            process.wait()

    def _start(self, module, *words, **environment):
        return subprocess.Popen(
            [
                *(sys.executable, "-m", f"distributed.cli.{module}", *words),
                *("--scheduler-file", str(self.address), "--no-dashboard"),
            ],
            cwd=self.folder,
            env=os.environ | {"OMP_NUM_THREADS": "1"} | environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )


@contextmanager
def cluster(folder, workers=2):
    """Give a cluster for the length of a block."""
    found = Cluster(folder)
    try:
        for _ in range(workers):
            found.add_worker()
        yield found
    finally:
        found.close()


def _wait_for(condition):
    deadline = time.monotonic() + STARTING_S
    while not condition():
        assert time.monotonic() < deadline, "nothing happened"
        time.sleep(0.05)
