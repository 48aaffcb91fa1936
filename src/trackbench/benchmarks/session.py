"""One call from a request to a table: load cases, plan, run, time, collect."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from trackbench.benchmarks.collect import collect, heads
from trackbench.benchmarks.executors.inprocess import InProcessExecutor
from trackbench.benchmarks.executors.local import LocalExecutor
from trackbench.benchmarks.history import HISTORY, append_run
from trackbench.benchmarks.machine import computed_by, machine_record
from trackbench.benchmarks.options import Options, plan_for
from trackbench.benchmarks.plan_record import plan_record
from trackbench.benchmarks.runner import run_plan
from trackbench.benchmarks.store import Store
from trackbench.benchmarks.summary import SummaryRow, summary_rows
from trackbench.benchmarks.tables import write_tables
from trackbench.benchmarks.timing import read_timing, time_plan

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from trackbench.benchmarks.executors import Executor
    from trackbench.benchmarks.plan import Plan
    from trackbench.benchmarks.runner import Progress
    from trackbench.core.registry import Registry

__all__ = ["Options", "plan_for", "run", "score"]


def run(
    registry: Registry, options: Options, plan: Plan, progress: Progress | None = None
) -> list[SummaryRow]:
    """Run a plan into `options.out` and give its table; the history grows by a line.

    Raises
    ------
    StoreError
        The store can't be made, is in use, or can't be written.
    """
    store = Store.create(options.out)
    with store.lock():
        store.write_json("machine.json", machine_record() | computed_by(plan))
        with _executor(registry, options, plan) as executor:
            run_plan(
                plan,
                store,
                executor,
                rerun=options.rerun,
                progress=progress,
            )
        if options.timing:
            fresh = options.rerun == "all"
            time_plan(registry, plan, store, options.timing_settings, fresh=fresh)
        rows = _collected(store, plan_record(plan))
        append_run(options.history or options.out / HISTORY, rows)
    return rows


def score(out: Path) -> list[SummaryRow]:
    """Score all that a store holds again, without running anything.

    Raises
    ------
    StoreError
        There is no store, or it is in use.
    """
    store = Store.open(out)
    with store.lock():
        return _collected(store)


def _collected(store: Store, plan: dict[str, Any] | None = None) -> list[SummaryRow]:
    wanted = None if plan is None else {head.names for head in heads(plan)}
    rows: list[SummaryRow] = []
    shown: list[SummaryRow] = []
    with write_tables(store) as tables:
        for group in collect(store):
            found = summary_rows(group, read_timing(store, group.head))
            tables.add(group)
            rows += found
            if wanted is None or group.head.names in wanted:
                shown += found
    store.write_json("summary.json", [row.to_json() for row in rows])
    return shown


@contextmanager
def _executor(registry: Registry, options: Options, plan: Plan) -> Iterator[Executor]:
    if options.executor == "dask":
        from trackbench.benchmarks.executors.cluster import cluster_executor

        with cluster_executor(
            registry,
            plan,
            options.limits,
            scheduler=options.scheduler,
            workers=options.workers,
            data_dir=options.data_dir,
        ) as executor:
            yield executor
    elif options.workers == 0:
        yield InProcessExecutor(registry)
    else:
        yield LocalExecutor(options.workers, options.limits)
