"""One call from a request to a table: load cases, plan, run, time, collect."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from trackbench.benchmarks.clock import BUDGET_S
from trackbench.benchmarks.collect import collect, heads
from trackbench.benchmarks.combination import GIVEN_POINTS
from trackbench.benchmarks.executors import Limits
from trackbench.benchmarks.executors.inprocess import InProcessExecutor
from trackbench.benchmarks.executors.local import LocalExecutor
from trackbench.benchmarks.machine import machine_record
from trackbench.benchmarks.plan import Plan, Request, make_plan
from trackbench.benchmarks.plan_record import plan_record
from trackbench.benchmarks.runner import run_plan
from trackbench.benchmarks.store import Store
from trackbench.benchmarks.summary import SummaryRow, summary_rows
from trackbench.benchmarks.tables import write_tables
from trackbench.benchmarks.tasks import choose, load_task
from trackbench.benchmarks.timing import TimingSettings, read_timing, time_plan
from trackbench.core.spec import Spec, parse_combination, parse_specs
from trackbench.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from trackbench.benchmarks.executors import Executor
    from trackbench.benchmarks.runner import Progress
    from trackbench.core.registry import Registry

__all__ = ["DEFAULT_DATASET", "DEFAULT_MATCHERS", "Options", "plan_for", "run", "score"]

DEFAULT_DATASET: Final = "semi-synthetic[limit=200]"
"""Embedded: needs no download. A tenth of the protocol, so that a first look takes a minute."""

DEFAULT_MATCHERS: Final = ("fdnc", "cpd", "nearest", "random", "truth")
"""Run where nothing else is asked for, as far as they are installed."""


@dataclass(frozen=True)
class Options:
    """What a user asks for, as typed; empty text stands for the default.

    Parameters
    ----------
    out : Path
        The result store.
    matchers, labelers, segmenters, datasets, protocols : str
        Comma-separated.
    split : str, optional
        The protocol's first where None.
    data_dir : Path, optional
    offline : bool
        Never download.
    oracle : bool
        Whether datasets are asked for inputs made with the true names.
    seed : int
    workers : int
        Worker processes; 0 runs everything in this process.
    limits : Limits
    rerun_failed : bool
    timing : bool
        Whether a timing pass follows.
    timing_budget : float
        Aim for the measuring time of one combination, in s.
    threads : int
        Threads of the timing pass. One is the default: under load two take longer than one.
    """

    out: Path = Path("trackbench-results")
    matchers: str = ""
    labelers: str = ""
    segmenters: str = ""
    datasets: str = ""
    protocols: str = ""
    split: str | None = None
    data_dir: Path | None = None
    offline: bool = False
    oracle: bool = False
    seed: int = 0
    workers: int = 1
    limits: Limits = field(default_factory=Limits)
    rerun_failed: bool = False
    timing: bool = True
    timing_budget: float = BUDGET_S
    threads: int = 1


def plan_for(
    registry: Registry, options: Options, progress: Callable[[int], None] | None = None
) -> Plan:
    """Check a request, read its cases and make the plan. Nothing is written to the store.

    `progress` is told of the bytes of a download.

    Raises
    ------
    UsageError
        An unknown name or a wrong parameter.
    InputError
        Data that isn't there or can't be used.
    """
    request = _request(registry, options)
    datasets = _datasets(options)
    names = [name.strip() for name in options.protocols.split(",") if name.strip()]
    tasks = [
        load_task(
            registry,
            spec,
            protocol,
            split=options.split,
            data_dir=options.data_dir,
            seed=options.seed,
            offline=options.offline,
            progress=progress,
        )
        for spec, protocol in choose(registry, datasets, names)
    ]
    return make_plan(registry, request, tasks)


def run(
    registry: Registry, options: Options, plan: Plan, progress: Progress | None = None
) -> list[SummaryRow]:
    """Run a plan into `options.out` and give its table.

    Raises
    ------
    StoreError
        The store can't be made, is in use, or can't be written.
    """
    store = Store.create(options.out)
    with store.lock():
        store.write_json("machine.json", machine_record())
        run_plan(
            plan,
            store,
            _executor(registry, options),
            rerun_failed=options.rerun_failed,
            progress=progress,
        )
        if options.timing:
            time_plan(registry, plan, store, _timing(options))
        return _collected(store, plan_record(plan))


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


def _request(registry: Registry, options: Options) -> Request:
    matchers = options.matchers or ",".join(
        name for name in DEFAULT_MATCHERS if name in registry.matchers()
    )
    request = Request(
        segmenters=tuple(parse_specs(options.segmenters or GIVEN_POINTS)),
        matchers=tuple(parse_specs(matchers)),
        labelers=tuple(parse_combination(options.labelers)),
        seed=options.seed,
    )
    if not request.matchers or not request.segmenters:
        raise UsageError("nothing to run", "give --matchers")
    return request


def _datasets(options: Options) -> list[Spec]:
    typed = options.datasets or ("" if options.protocols else DEFAULT_DATASET)
    specs = parse_specs(typed)
    if not options.oracle:
        return specs
    return [Spec(spec.name, (*spec.parameters, ("oracle", "true"))) for spec in specs]


def _timing(options: Options) -> TimingSettings:
    return TimingSettings(
        options.seed, options.threads, options.limits.timeout_s, options.timing_budget
    )


def _executor(registry: Registry, options: Options) -> Executor:
    if options.workers == 0:
        return InProcessExecutor(registry)
    return LocalExecutor(options.workers, options.limits)
