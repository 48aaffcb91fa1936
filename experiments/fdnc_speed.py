"""How long fdnc takes, where the time goes, and what each of its parts adds.

::

    python experiments/fdnc_speed.py --threads 2              # needs no data
    python experiments/fdnc_speed.py --threads 1 --ablation   # accuracy of parts, validation split

Volumes of one simulated recording against its first (about 120 neurons). Times are the least of
many repeats: the machine may be shared. The rate of products is that of a large one in bfloat16.
The ablation matches semi-synthetic pairs of the validation split.
"""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import click
import numpy as np
import torch

from trackbench.core.assignment import assign, row_argmax
from trackbench.datasets.semisynthetic.pairs import simulated_pair
from trackbench.datasets.semisynthetic.recording import RecordingConfig, record
from trackbench.datasets.semisynthetic.shape import load_shapes
from trackbench.plugins.fdnc import FdncConfig, FdncMatcher, engine
from trackbench.plugins.fdnc.normalise import log_posterior
from trackbench.plugins.fdnc.points import canonical_points
from trackbench.plugins.fdnc.pose import sure_poses

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from trackbench.core.types import PointCloud
    from trackbench.plugins.fdnc.network import Architecture

VALIDATION_SEED: Final = 1_000_000
VOLUMES: Final = 33
SIZE: Final = 1024
PARTS: Final[dict[str, dict[str, Any]]] = {
    "as shipped": {},
    "all blocks, always": {"enough_um": 0.0},
    "no refinement": {"refine": 0},
    "no 'no partner'": {"none_bias": -20.0},
    "float32": {"precision": "float32"},
}


@click.command()
@click.option("--threads", type=click.IntRange(1), default=2, show_default=True)
@click.option("--repeats", type=click.IntRange(1), default=30, show_default=True)
@click.option("--ablation", is_flag=True, help="Accuracy of the parts instead of times.")
@click.option("--pairs", type=click.IntRange(1), default=200, show_default=True)
def main(*, threads: int, repeats: int, ablation: bool, pairs: int) -> None:
    """Print the tables."""
    torch.set_num_threads(threads)
    if ablation:
        print_ablation(pairs)
    else:
        print_times(repeats)


def print_times(repeats: int) -> None:
    """Print the rate of products, the operations of a match, and the time of each stage."""
    volumes = record(load_shapes(), RecordingConfig(volumes=VOLUMES), seed=VALIDATION_SEED)
    template, tests = volumes[0].without_names(), [v.without_names() for v in volumes[1:]]
    matcher = FdncMatcher()
    prepared = matcher.prepare(template)
    size = round(float(np.mean([len(test) for test in tests])))
    rate = product_rate(repeats)
    architecture = matcher.engine.trained.network.architecture
    click.echo(f"bfloat16 products: {rate / 1e9:.0f} GFLOP/s on {torch.get_num_threads()} threads")
    for name, depth in (("half of", architecture.deep[0]), ("all", architecture.layers)):
        count = operations(architecture, len(template), size, depth)
        click.echo(f"{name} the blocks: {count / 1e9:.3f} GFLOP, {1e3 * count / rate:.2f} ms at it")
    whole = least(lambda: matcher.match(prepared, tests), repeats) / len(tests)
    click.echo(f"\n{len(tests)} volumes at once: {1e3 * whole:.2f} ms a volume ({size} neurons)")
    assigned = [m.log_p for m in matcher.match(prepared, tests)]
    label = least(lambda: [assign(p) for p in assigned], repeats) / len(tests)
    click.echo(f"assignment: {1e3 * label:.2f} ms a volume")
    for name, seconds in stage_times(matcher, template, tests, repeats).items():
        click.echo(f"  {name:<28} {1e3 * seconds:.2f} ms a volume")
    singles = [least(partial(matcher.match, prepared, [t]), repeats // 3 + 1) for t in tests]
    p50, p99 = np.quantile(singles, [0.5, 0.99])
    click.echo(f"one at a time: median {1e3 * p50:.2f} ms, 99th percentile {1e3 * p99:.2f} ms")


def product_rate(repeats: int) -> float:
    """Measure operations a second of a square product in bfloat16."""
    matrix = torch.randn(SIZE, SIZE, generator=torch.Generator().manual_seed(0))
    matrix = matrix.to(torch.bfloat16)
    return float(2 * SIZE**3 / least(lambda: matrix @ matrix, repeats))


def operations(sizes: Architecture, template: int, test: int, depth: int) -> float:
    """Count the operations (two a multiplication and addition) of the network's products."""
    width, seen = sizes.width, template + test
    block = 4 * width**2 + 2 * width * sizes.feed_forward + 2 * seen * width
    return float(2 * test * (depth * block + (width + 1) * (width + template)))


def stage_times(
    matcher: FdncMatcher, template: PointCloud, tests: Sequence[PointCloud], repeats: int
) -> dict[str, float]:
    """Measure each stage by itself, a batch at a time, in s a volume."""
    own = matcher.engine
    known = own.encode(canonical_points(template)[0])
    clouds = [canonical_points(test)[0] for test in tests][: engine.TESTS_AT_ONCE]
    width = -(-max(map(len, clouds)) // engine.BUCKET) * engine.BUCKET
    with torch.inference_mode():
        padded = engine.Clouds.padded(clouds, width)
        posed, _ = own._anatomical(padded, sure_poses)
        half = own.network.further(known.memories, own._begin(posed))
        seen = list(own._seen(known, posed, half))
        stages: dict[str, Callable[[], object]] = {
            "principal axes": lambda: [canonical_points(t) for t in tests[: len(clouds)]],
            "pose, one look": lambda: own._look_at_pose(padded.zyx_um, padded.mask),
            "pose, as used": lambda: own._anatomical(padded, sure_poses),
            "half of the blocks": lambda: own.network.further(known.memories, own._begin(posed)),
            "the other half": lambda: own.network.further(known.memories, half),
            "scores": lambda: list(own._seen(known, posed, half)),
            "refinement": lambda: [own._refined(known, one) for one in seen],
            "posterior": lambda: [log_posterior(one.scores) for one in seen],
        }
        return {name: least(run, repeats) / len(clouds) for name, run in stages.items()}


def least(run: Callable[[], object], repeats: int) -> float:
    """Measure the least time of some repeats, in s, after one that doesn't count."""
    run()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return min(times)


def print_ablation(count: int) -> None:
    """Print M_pair by assignment and by row of the matcher with parts left out."""
    shapes = load_shapes()
    pairs = [simulated_pair(shapes, VALIDATION_SEED + i, 120) for i in range(count)]
    for name, changes in PARTS.items():
        report(name, FdncMatcher(FdncConfig(**changes)), pairs)
    shipped = engine.LEAST_CERTAINTY
    engine.LEAST_CERTAINTY = 0.0
    report("turned only if pose unsure", FdncMatcher(), pairs)
    engine.LEAST_CERTAINTY = shipped


def report(name: str, matcher: FdncMatcher, pairs: Sequence[tuple[PointCloud, PointCloud]]) -> None:
    """Print one row."""
    found = np.array([accuracy(matcher, *pair) for pair in pairs])
    by_assignment, by_row = found.mean(axis=0)
    click.echo(f"{name:<28} m_pair {by_assignment:.4f}  m_pair_argmax {by_row:.4f}  n={len(found)}")


def accuracy(matcher: FdncMatcher, template: PointCloud, test: PointCloud) -> tuple[float, float]:
    """Share of the pairs of equal name that are found, by assignment and by row."""
    prepared = matcher.prepare(template.without_names())
    log_p = matcher.match(prepared, [test.without_names()])[0].log_p
    column = {name: j for j, name in enumerate(template.names or ()) if name}
    truth = [(i, column[name]) for i, name in enumerate(test.names or ()) if name in column]
    rows, columns = np.array(truth).T
    by_assignment = assign(log_p)[rows] == columns
    return float(by_assignment.mean()), float((row_argmax(log_p)[rows] == columns).mean())


if __name__ == "__main__":
    main()
