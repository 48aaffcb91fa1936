"""Measures what the harness costs with 100, 1000 and 10,000 cells, step by step.

::

    python experiments/scale.py                       # two shapes of plan, up to 10,000 cells
    python experiments/scale.py --cells 100 1000      # smaller
    python experiments/scale.py --throughput 1 2 4    # cells a second on a Dask cluster here

The cells are tiny: clouds of 8 points, matched by `nearest`. A *wide* plan has one chunk of 4
cases and as many combinations as cells; a *deep* one has 10 combinations on chunks of 64
cases. Each plan runs in a process of its own. Times are processor times, which a busy machine
changes little, but for those of the browser and of a cluster.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click
import numpy as np

from trackbench import Case, PointCloud, Protocol, Truth
from trackbench.benchmarks.executors import Limits
from trackbench.benchmarks.executors.inprocess import InProcessExecutor
from trackbench.benchmarks.plan import Request, make_plan
from trackbench.benchmarks.report import write_report
from trackbench.benchmarks.runner import pending_jobs, run_plan
from trackbench.benchmarks.session import score
from trackbench.benchmarks.store import Store
from trackbench.benchmarks.tasks import Task
from trackbench.core.pipeline import fit_labelers, label_test, match_batch
from trackbench.core.registry import load_registry
from trackbench.core.spec import Spec

if TYPE_CHECKING:
    from collections.abc import Iterator

    from trackbench.benchmarks.plan import Plan
    from trackbench.core.plugin import Labeler, Matcher
    from trackbench.core.registry import Registry

TRIALS = Path(__file__).parents[1] / "tests" / "trials"
"""Holds the plugin that sleeps."""

POINTS = 8
COMBINATIONS = 10
WIDE_CASES = 4
CASES_PER_CHUNK = 64
PROTOCOL = Protocol("tiny", "jittered copies of one tiny cloud", "m_pair")


def tiny_task(n_cases: int, seed: int = 0) -> Task:
    """Make cases of a few points each, of 100 animals at most."""
    rng = np.random.default_rng(seed)
    points = rng.uniform(0, 30, (POINTS, 3))
    names = tuple(f"N{i}" for i in range(POINTS))
    template = PointCloud(points, names=names, id="template", animal="template")
    cases = []
    for i in range(n_cases):
        animal = f"worm-{i % 100}"
        test = PointCloud(points + rng.normal(size=points.shape), id=f"test-{i}", animal=animal)
        truth = Truth(names)
        cases.append(Case(f"{i:07d}", (template,), test, truth, animal, "test", PROTOCOL.name))
    return Task(Spec("tiny"), PROTOCOL, "test", tuple(cases), None)


def tiny_plan(registry: Registry, shape: str, n_cells: int) -> Plan:
    """Plan `n_cells` cells: many combinations ("wide"), or many cases ("deep")."""
    wide = shape == "wide"
    n_ways = n_cells if wide else COMBINATIONS
    n_cases = WIDE_CASES if wide else n_cells // COMBINATIONS * CASES_PER_CHUNK
    widths = [f"{4 + i / 2000:.4f}" for i in range(n_ways)]
    matchers = tuple(Spec("nearest", (("sigma_um", width),)) for width in widths)
    request = Request((Spec("truth"),), matchers, ((Spec("transfer"),),))
    return make_plan(registry, request, [tiny_task(n_cases)])


@dataclass
class Stopwatch:
    """Seconds of processor time by step."""

    steps: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Time a block."""
        begun = time.process_time()
        yield
        self.steps[name] = time.process_time() - begun


def bare(registry: Registry, plan: Plan) -> None:
    """Do what the cells do, without a harness around it."""
    labeler = cast("Labeler[Any]", registry.create("labeler", Spec("transfer")))
    for job in plan.jobs():
        spec = job.cells[0].combination.matcher
        if spec is None:  # of a segmenter's job, which a tiny plan has not
            continue
        matcher = cast("Matcher[Any]", registry.create("matcher", spec))
        template = job.chunk.cases[0].templates[0]
        tests = [case.test for case in job.chunk.cases]
        fitted = fit_labelers([labeler], [template])
        for test, match in zip(
            tests, match_batch(matcher, matcher.prepare(template), template, tests), strict=True
        ):
            label_test(fitted, test, [match])


def measure(registry: Registry, shape: str, n_cells: int, folder: Path) -> dict[str, float]:
    """Run a plan, score it, write its report: seconds by step, and the size of the store."""
    watch = Stopwatch()
    with watch.step("plan"):
        plan = tiny_plan(registry, shape, n_cells)
    with watch.step("bare"):
        bare(registry, plan)
    store = Store.create(folder / "store")
    with watch.step("run"):
        run_plan(plan, store, InProcessExecutor(registry))
    with watch.step("resume"):
        left = sum(1 for _ in pending_jobs(plan, store))
    with watch.step("score"):
        score(store.folder)
    with watch.step("report"):
        write_report(store.folder, folder / "report.html")
    opening = {"open": browser_seconds(folder / "report.html")}
    sizes = [file.stat().st_size for file in store.folder.rglob("*") if file.is_file()]
    size = {"store_mb": sum(sizes) / 1e6, "files": float(len(sizes))}
    page = {"report_mb": (folder / "report.html").stat().st_size / 1e6}
    memory = {"peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}
    if left:
        raise RuntimeError(f"{left} jobs of {n_cells} cells didn't end")
    return watch.steps | opening | size | page | memory


def browser_seconds(page: Path) -> float:
    """Give the wall time in s that Chromium takes to open a page; NaN without Chromium."""
    browser = shutil.which("chromium")
    if browser is None:
        return float("nan")
    begun = time.perf_counter()
    words = ("--headless", "--no-sandbox", "--disable-gpu", "--dump-dom", page.as_uri())
    subprocess.run([browser, *words], capture_output=True, check=True)
    return time.perf_counter() - begun


def print_steps(shape: str, found: dict[int, dict[str, float]]) -> None:
    """Print a table: a row a step, a column a number of cells, and the growth at the end."""
    counts = sorted(found)
    heads = "".join(f"{n:>12,}" for n in counts)
    click.echo(f"\n{shape}: cells {heads}   exponent of the last step")
    overhead = {n: {"overhead/cell": (f["run"] - f["bare"]) / n} for n, f in found.items()}
    for name in (*next(iter(found.values())), "overhead/cell"):
        values = [(found[n] | overhead[n])[name] for n in counts]
        cells = "".join(f"{value:>12.4g}" for value in values)
        click.echo(f"{name:>14}{cells}   {growth(counts, values)}")


def growth(counts: list[int], values: list[float]) -> str:
    """Give the exponent by which the last value grew: 1 is linear."""
    if len(counts) < 2 or min(values[-2:]) <= 0:
        return "-"
    return f"{np.log(values[-1] / values[-2]) / np.log(counts[-1] / counts[-2]):.2f}"


def throughput(n_workers: int, n_cells: int, sleep_s: float) -> float:
    """Give the wall time in s that a cell of `sleep_s` takes on a Dask cluster of this machine."""
    from trackbench.benchmarks.executors.cluster import cluster_executor

    registry = load_registry()
    matcher = Spec("counted", (("sleep_s", f"{sleep_s}"),))
    request = Request((Spec("truth"),), (matcher,), ((Spec("transfer"),),))
    plan = make_plan(registry, request, [tiny_task(1, seed) for seed in range(n_cells)])
    jobs = list(plan.jobs())
    with cluster_executor(registry, plan, Limits(), workers=n_workers) as executor:
        list(executor.run(jobs[: 2 * n_workers], None))
        begun = time.perf_counter()
        n_done = len(list(executor.run(jobs, None)))
        return (time.perf_counter() - begun) / n_done


def print_throughput(workers: list[int], n_cells: int, sleep_s: float) -> None:
    """Print a row a number of workers: cells a second, and the overhead of a cell."""
    os.environ["PYTHONPATH"] = str(TRIALS)
    sys.path.insert(0, str(TRIALS))
    click.echo(
        f"{n_cells} cells of one case that sleep {sleep_s} s, on a Dask cluster of this machine"
    )
    click.echo(f"{'workers':>8}{'s/cell':>10}{'cells/s':>10}{'speed-up':>10}{'overhead/cell':>15}")
    first = 0.0
    for n in workers:
        taken = throughput(n, n_cells, sleep_s)
        first = first or taken * n
        speedup, overhead = first / taken / workers[0], taken * n - sleep_s
        click.echo(f"{n:>8}{taken:>10.4f}{1 / taken:>10.1f}{speedup:>10.2f}{overhead:>15.4f}")


def measured_apart(shape: str, n_cells: int) -> dict[str, float]:
    """Measure in a new process, so that its peak of memory is its own."""
    folder = Path(tempfile.mkdtemp(prefix="trackbench-scale-"))
    words = ["--measure", shape, str(n_cells), str(folder)]
    try:
        done = subprocess.run(
            [sys.executable, __file__, *words], stdout=subprocess.PIPE, text=True, check=True
        )
        found: dict[str, float] = json.loads(done.stdout)
        return found
    finally:
        shutil.rmtree(folder)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--cells", type=int, nargs="+", default=[100, 1000, 10_000])
    parser.add_argument("--shapes", nargs="+", default=["wide", "deep"])
    parser.add_argument("--throughput", type=int, nargs="+", metavar="WORKERS")
    parser.add_argument("--sleep", type=float, default=0.5, help="seconds of a sleeping cell")
    parser.add_argument("--measure", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        shape, n_cells, folder = options.measure
        click.echo(json.dumps(measure(load_registry(), shape, int(n_cells), Path(folder))))
    elif options.throughput:
        print_throughput(options.throughput, options.cells[0], options.sleep)
    else:
        for shape in options.shapes:
            print_steps(shape, {n: measured_apart(shape, n) for n in options.cells})


if __name__ == "__main__":
    main()
