"""How long fdnc takes, where the time goes, and what each of its parts adds.

::

    python experiments/fdnc_speed.py                # one thread, then two; needs no data
    python experiments/fdnc_speed.py --ablation     # accuracy of the parts, validation split

Times are of volumes of one simulated recording against its first (about 120 neurons), on the
native kernels and on torch and numpy in turn, the least of many repeats: the machine may be
shared. The floor is what the products of the networks take at the rate of a large one in
bfloat16. The ablation matches semi-synthetic pairs and, where their data is found
(TRACKBENCH_DATA), every ordered pair of WormND's validation worms, by position, and the validation
volumes of nguyen2017.
"""

from __future__ import annotations

import os
import time
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from itertools import groupby, permutations
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from unittest.mock import patch

import click
import numpy as np
import torch

from trackbench.benchmarks.metrics.case import score_case
from trackbench.benchmarks.predict import predict
from trackbench.core.pipeline import fit_labelers, label_test
from trackbench.datasets.calcium import Calcium
from trackbench.datasets.cases import make_case
from trackbench.datasets.locate import find
from trackbench.datasets.neuropal import NeuroPAL
from trackbench.datasets.semisynthetic.dataset import SemiSynthetic, SemiSyntheticConfig
from trackbench.datasets.semisynthetic.recording import RecordingConfig, record
from trackbench.datasets.semisynthetic.shape import load_shapes
from trackbench.plugins.baselines import TransferLabeler
from trackbench.plugins.fdnc import FdncConfig, FdncMatcher, engine, kernels, tables
from trackbench.plugins.fdnc.points import canonical_points
from trackbench.plugins.fdnc.pose import sure_poses

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from trackbench.core.types import Case, PointCloud
    from trackbench.plugins.fdnc.attention import Block
    from trackbench.plugins.fdnc.weights import Trained

    Run = Callable[[], object]

SEED: Final = 1_000_000
"""Of the validation split."""

VOLUMES: Final = 65
SIZE: Final = 1024
NATIVE: Final = "native kernels"
TORCH: Final = "torch"
METRICS: Final = ("m_pair", "m_pair_argmax")


class Part(NamedTuple):
    """What an ablation changes: the config, constants of the engine, what computes."""

    config: Mapping[str, Any] = {}
    constants: Mapping[str, float] = {}
    by: str = NATIVE


PARTS: Final = {
    "as shipped": Part(),
    "no second look": Part(constants={"LAY_CERTAINTY": 0.0}),
    "no other poses": Part(constants={"SURER": np.inf}),
    "other poses at once": Part(constants={"SURER": 1.0}),
    "no refinement": Part({"refine": 0}),
    "no 'no partner'": Part({"none_bias": -20.0}),
    "torch, bfloat16": Part(by=TORCH),
    "torch, float32": Part({"precision": "float32"}, by=TORCH),
}


@click.command()
@click.option("--threads", multiple=True, type=click.IntRange(1), default=(1, 2), show_default=True)
@click.option("--repeats", type=click.IntRange(1), default=30, show_default=True)
@click.option("--ablation", is_flag=True, help="Accuracy of the parts instead of times.")
@click.option("--pairs", type=click.IntRange(1), default=200, show_default=True)
def main(*, threads: tuple[int, ...], repeats: int, ablation: bool, pairs: int) -> None:
    """Print the tables."""
    ways = (TORCH,) if kernels.library() is None else (NATIVE, TORCH)
    click.echo(f"native kernels: {kernels.why_absent() or 'yes'}\n")
    if ablation:
        print_ablation(pairs, ways)
        return
    for count in threads:
        torch.set_num_threads(count)
        print_times(repeats, ways)


@contextmanager
def computed(by: str) -> Iterator[None]:
    """Turn the kernels on or off, as their switch does for a new process."""
    with patch.dict(os.environ, {kernels.SWITCH: "1" if by == TORCH else "0"}):
        kernels._found.cache_clear()
        if (kernels.library() is None) != (by == TORCH):
            raise click.ClickException(
                f"the kernels were there a moment ago: {kernels.why_absent()}"
            )
        yield
    kernels._found.cache_clear()


@torch.inference_mode()
def print_times(repeats: int, ways: Sequence[str]) -> None:
    """Print the floor, and the times of a batch, of its stages and of lone volumes."""
    template, tests = recorded()
    stages, lone = [], []
    for way in ways:
        with computed(way):
            matcher = FdncMatcher()
            stages.append(stages_of(matcher, template, tests))
            lone.append(alone(matcher, template, tests))
    click.echo(f"threads: {torch.get_num_threads()}; {len(tests)} volumes in a batch")
    print_floor(matcher.engine.trained, len(template), tests, repeats)
    click.echo(f"{'ms a volume':<36}" + "".join(f"{way:>16}" for way in ways) + f"{'ratio':>8}")
    for name in stages[0]:
        seconds = least_in_turn(
            dict(zip(ways, (own[name] for own in stages), strict=True)), repeats
        )
        print_row(name, [each / len(tests) for each in seconds])
    few = repeats // 3 + 1
    singles = [
        least_in_turn(dict(zip(ways, runs, strict=True)), few) for runs in zip(*lone, strict=True)
    ]
    print_row("alone, with labels: median", np.quantile(singles, 0.5, axis=0))
    print_row("alone, with labels: slowest volume", np.max(singles, axis=0))
    click.echo()


def print_row(name: str, seconds: Sequence[float] | NDArray[np.float64]) -> None:
    """Print times in ms, and the last over the first."""
    times = "".join(f"{1e3 * each:>16.3f}" for each in seconds)
    click.echo(f"{name:<36}{times}{seconds[-1] / seconds[0]:>8.2f}")


def recorded() -> tuple[PointCloud, list[PointCloud]]:
    """Simulate a template and tests that are one batch to the engine."""
    first, *others = record(load_shapes(), RecordingConfig(volumes=VOLUMES), seed=SEED)
    padded = [-(-len(volume) // engine.BUCKET) * engine.BUCKET for volume in others]
    batch = max(engine._batches(padded), key=len)
    return first.without_names(), [others[i].without_names() for i in batch]


def stages_of(
    matcher: FdncMatcher, template: PointCloud, tests: Sequence[PointCloud]
) -> dict[str, Run]:
    """Give what a batch goes through, as a whole and stage by stage."""
    own, prepared = matcher.engine, matcher.prepare(template)
    known = own.encode(canonical_points(template)[0])
    clouds = [canonical_points(test)[0] for test in tests]
    width = -(-max(map(len, clouds)) // engine.BUCKET) * engine.BUCKET
    padded = engine.Clouds.padded(clouds, width)
    posed = own._anatomical(padded, sure_poses)
    raw = own.networks.scores
    pairs = [(one.scores, one.points) for one in own._looked(known, posed)]
    joined = [one.scores for one in tables.refined_all(pairs, known.bendable, own.refinement)]
    matches = matcher.match(prepared, tests)
    labelers = fit_labelers([TransferLabeler()], [template])
    return {
        "matched": lambda: matcher.match(prepared, tests),
        "  principal axes": lambda: [canonical_points(test) for test in tests],
        "  pose, one look": lambda: own.networks.look_at_pose(padded.zyx_um, padded.mask),
        "  pose, as used": lambda: own._anatomical(padded, sure_poses),
        "  blocks to the first level": lambda: raw(known.encoded, posed.zyx_um, posed.mask, 0),
        "  all blocks": lambda: raw(known.encoded, posed.zyx_um, posed.mask, -1),
        "  all blocks, with tables": lambda: own._seen(known, posed, -1),
        "  the same, again where in doubt": lambda: own._looked(known, posed),
        "  refinement": lambda: tables.refined_all(pairs, known.bendable, own.refinement),
        "  posterior": lambda: tables.log_posteriors(joined),
        "labeled (assignment and names)": lambda: [
            label_test(labelers, test, [match]) for test, match in zip(tests, matches, strict=True)
        ],
    }


def alone(matcher: FdncMatcher, template: PointCloud, tests: Sequence[PointCloud]) -> list[Run]:
    """Give the match and the labeling of each test by itself."""
    prepared = matcher.prepare(template)
    labelers = fit_labelers([TransferLabeler()], [template])

    def run(test: PointCloud) -> object:
        return label_test(labelers, test, matcher.match(prepared, [test]))

    return [partial(run, test) for test in tests]


def least_in_turn(runs: Mapping[str, Run], repeats: int) -> list[float]:
    """Measure the least time of some repeats, in s, each way after the other."""
    times: dict[str, list[float]] = {way: [] for way in runs}
    for _ in range(repeats + 1):
        for way, run in runs.items():
            with computed(way):
                start = time.perf_counter()
                run()
                times[way].append(time.perf_counter() - start)
    return [min(taken[1:]) for taken in times.values()]  # the first warms up


def print_floor(trained: Trained, template: int, tests: Sequence[PointCloud], repeats: int) -> None:
    """Print the products of a match, and how long they take at the rate of a large one."""
    size = round(float(np.mean([len(test) for test in tests])))
    matrix = torch.randn(SIZE, SIZE, generator=torch.Generator().manual_seed(0))
    matrix = matrix.to(torch.bfloat16)
    rate = 2 * SIZE**3 / least_in_turn({TORCH: lambda: matrix @ matrix}, repeats)[0]
    pose = operations(trained.poses.trained_blocks, size)
    match = operations(trained.network.trained_blocks, size, template)
    floor = 1e3 * (pose + match) / rate
    click.echo(f"floor: {pose / 1e9:.3f} GFLOP of one look at the pose, {match / 1e9:.3f} of all")
    click.echo(f"blocks and scores, at {rate / 1e9:.0f} GFLOP/s in bfloat16: {floor:.2f} ms\n")


def operations(blocks: Sequence[Block], test: int, template: int = 0) -> float:
    """Count the operations (two a multiplication and addition) of a network's products."""
    width, inner = blocks[0].merge.in_features, blocks[0].widen.out_features
    block = 4 * width**2 + 2 * width * inner + 2 * (template + test) * width
    scores = width * (template + 1) if template else 0
    return float(2 * test * (len(blocks) * block + scores))


def print_ablation(pairs: int, ways: Sequence[str]) -> None:
    """Print M_pair of the matcher with parts left out, by assignment and by row."""
    problems = validation_cases(pairs)
    for part, (config, constants, by) in PARTS.items():
        if by not in ways:
            continue
        with ExitStack() as stack:
            stack.enter_context(computed(by))
            for name, value in constants.items():
                stack.enter_context(patch.object(engine, name, value))
            matcher = FdncMatcher(FdncConfig(**config))
            for title, cases in problems.items():
                scores = np.array(list(accuracies(matcher, cases)))
                means = zip(METRICS, scores.mean(axis=0), strict=True)
                shown = "  ".join(f"{metric} {mean:.4f}" for metric, mean in means)
                click.echo(f"{part:<20} {title:<16} {shown}  n={len(scores)}")


def validation_cases(pairs: int) -> dict[str, list[Case]]:
    """Give the cases of each kind of data that is there; those of one template stand together."""
    simulated = SemiSynthetic(SemiSyntheticConfig(pairs=pairs))
    found = {"semi-synthetic": list(simulated.cases("semi-synthetic", "validation", None))}
    if (folder := find("wormnd")) is not None:
        cases = NeuroPAL().cases("wormnd-position", "validation", folder)
        worms = [replace(case.test, names=case.truth.names) for case in cases]
        found["wormnd, pairs"] = [
            make_case(f"{a.id}__{b.id}", (a,), b, protocol="wormnd-position", split="validation")
            for a, b in permutations(worms, 2)
        ]
    if (folder := find("nguyen2017")) is not None:
        found["nguyen2017"] = list(Calcium().cases("nguyen2017", "validation", folder))
    return found


def accuracies(matcher: FdncMatcher, cases: Sequence[Case]) -> Iterator[list[float]]:
    """Give the metrics of each case whose worms have names in common."""
    for _, group in groupby(cases, key=lambda case: id(case.templates[0])):
        own = list(group)
        template = own[0].templates[0]
        labelers = fit_labelers([TransferLabeler()], [template])
        prepared = matcher.prepare(template.without_names())
        for case, match in zip(own, matcher.match(prepared, [c.test for c in own]), strict=True):
            prediction = predict(case, *label_test(labelers, case.test, [match]))
            values = score_case(prediction, "m_pair").values
            if values["m_pair"] is not None:
                yield [values[metric] or 0.0 for metric in METRICS]


if __name__ == "__main__":
    main()
