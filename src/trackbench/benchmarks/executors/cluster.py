"""Connects to a Dask scheduler, or starts a cluster on this machine."""

from __future__ import annotations

import logging
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any, Final

from trackbench.benchmarks.executors.dask import BACKLOG, DaskExecutor
from trackbench.benchmarks.executors.shipping import origins
from trackbench.errors import ClusterError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from distributed import Client

    from trackbench.benchmarks.executors import Limits
    from trackbench.benchmarks.plan import Plan
    from trackbench.core.registry import Registry

__all__ = ["cluster_executor"]

CONNECT_S: Final = 8.0


@contextmanager
def cluster_executor(
    registry: Registry,
    plan: Plan,
    limits: Limits,
    *,
    scheduler: str | None = None,
    workers: int = 1,
    data_dir: Path | None = None,
) -> Iterator[DaskExecutor]:
    """Give an executor for a plan for the length of a block.

    Parameters
    ----------
    registry : Registry
    plan : Plan
    limits : Limits
    scheduler : str, optional
        Address such as ``tcp://host:8786``, or a scheduler file that ends in ``.json``.
    workers : int
        Worker processes of the cluster that is started where there is no scheduler.
    data_dir : Path, optional
        Where workers look for large inputs before these are sent.

    Raises
    ------
    UsageError
        Dask isn't installed.
    ClusterError
        No scheduler answers.
    """
    _check_installed()
    _silence()
    backlog = BACKLOG if scheduler else 2 * workers
    connection = _local(workers) if scheduler is None else _connected(scheduler)
    with connection as client:
        executor = DaskExecutor(
            client, registry, limits, backlog=backlog, origins=origins(plan, data_dir)
        )
        with closing(executor):
            yield executor


def _check_installed() -> None:
    try:
        import distributed  # noqa: F401
    except ImportError as error:
        raise UsageError(
            "--executor dask needs dask.distributed", "pip install 'trackbench[dask]'"
        ) from error


@contextmanager
def _connected(scheduler: str) -> Iterator[Client]:
    import distributed

    name = "scheduler_file" if scheduler.endswith(".json") else "address"
    where: dict[str, Any] = {name: scheduler}
    try:
        client = distributed.Client(**where, timeout=CONNECT_S)
    except (OSError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise ClusterError(
            f"no Dask scheduler answers at {scheduler} ({reason})",
            "start one with `dask scheduler`, and workers with `dask worker ADDRESS`",
        ) from error
    with client:
        yield client


@contextmanager
def _local(workers: int) -> Iterator[Client]:
    """Start workers here; one that dies makes its jobs suspects at once."""
    import dask
    import distributed

    with (
        dask.config.set({"distributed.scheduler.allowed-failures": 0}),
        distributed.LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            processes=True,
            dashboard_address=None,
            memory_limit=0,
            silence_logs=logging.CRITICAL,
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client


def _silence() -> None:
    """Keep Dask's own log off the terminal: what matters in it stands in a row or an error."""
    for name in list(logging.root.manager.loggerDict):
        if name.startswith(("distributed", "tornado")):
            logging.getLogger(name).setLevel(logging.CRITICAL)
