"""What a user asks for, and the plan that it makes."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from trackbench.benchmarks.clock import BUDGET_S
from trackbench.benchmarks.combination import GIVEN_POINTS
from trackbench.benchmarks.executors import Limits
from trackbench.benchmarks.plan import Part, Plan, Request, make_plan
from trackbench.benchmarks.tasks import Task, choose, load_task
from trackbench.benchmarks.timing import TimingSettings
from trackbench.core.spec import Spec, parse_combination, parse_specs
from trackbench.errors import MissingDataError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from trackbench.benchmarks.runner import Rerun
    from trackbench.core.registry import Registry

__all__ = ["DEFAULT_DATASET", "DEFAULT_MATCHERS", "Options", "plan_for"]

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
    parts : tuple of mappings
        Where a plan isn't one product: the fields above that differ in each of its products.
    data_dir : Path, optional
    offline : bool
        Never download.
    skip_missing : bool
        Leave out datasets that aren't here, and never download.
    oracle : bool
        Whether datasets are asked for inputs made with the true names.
    seed : int
    workers : int
        Worker processes; 0 runs everything in this process.
    executor : str
        "local", or "dask" for a Dask cluster.
    scheduler : str, optional
        Address of a Dask scheduler; a cluster of this machine where None.
    limits : Limits
    rerun : str
        "missing" runs the cells that the store lacks, "failed" those with failures as well,
        "all" every cell.
    timing : bool
        Whether a timing pass follows.
    timing_budget : float
        Aim for the measuring time of one combination, in s.
    threads : int
        Threads of the timing pass. One is the default: under load two take longer than one.
    history : Path, optional
        Where the run adds its line; a file in the store where None.
    """

    out: Path = Path("trackbench-results")
    matchers: str = ""
    labelers: str = ""
    segmenters: str = ""
    datasets: str = ""
    protocols: str = ""
    split: str | None = None
    parts: tuple[Mapping[str, Any], ...] = ()
    data_dir: Path | None = None
    offline: bool = False
    skip_missing: bool = False
    oracle: bool = False
    seed: int = 0
    workers: int = 1
    executor: str = "local"
    scheduler: str | None = None
    limits: Limits = field(default_factory=Limits)
    rerun: Rerun = "missing"
    timing: bool = True
    timing_budget: float = BUDGET_S
    threads: int = 1
    history: Path | None = None

    @property
    def timing_settings(self) -> TimingSettings:
        """What the timing pass needs to know."""
        return TimingSettings(self.seed, self.threads, self.limits.timeout_s, self.timing_budget)


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
    products = [dataclasses.replace(options, **part) for part in options.parts or ({},)]
    left_out: list[MissingDataError] = []
    parts: list[Part] = []
    for product in dict.fromkeys(dataclasses.replace(item, parts=()) for item in products):
        tasks = _tasks(registry, product, left_out, progress)
        parts += make_plan(registry, _request(registry, product), tasks).parts
    if not parts:
        raise left_out[0]
    return Plan(tuple(parts), options.seed, tuple(error.problem for error in left_out))


def _tasks(
    registry: Registry,
    options: Options,
    left_out: list[MissingDataError],
    progress: Callable[[int], None] | None,
) -> list[Task]:
    """Read the cases; what isn't here joins `left_out` where that is allowed."""
    names = [name.strip() for name in options.protocols.split(",") if name.strip()]
    tasks = []
    for spec, protocol in choose(registry, _datasets(options), names):
        try:
            task = load_task(
                registry,
                spec,
                protocol,
                split=options.split,
                data_dir=options.data_dir,
                seed=options.seed,
                offline=options.offline or options.skip_missing,
                progress=progress,
            )
        except MissingDataError as error:
            if not options.skip_missing:
                raise
            left_out.append(MissingDataError(f"{spec} {protocol.name}: {error.problem}"))
        else:
            tasks.append(task)
    return tasks


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
