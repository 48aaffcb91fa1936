"""Plants faults into a matcher and counts how often the CI check finds them.

A third-party package wraps `cpd` under the name `subject`. Its first release is honest and makes
the baseline. Then every run is what CI does, `trackbench run --profile ci --against BASELINE`, with
the profile's matchers and data replaced by `subject` on 40 simulated worms, in a fresh store, with
half the measuring time:

- the same release again: an alarm is a false one;
- a release that confuses some neurons with each other, about 3 points of accuracy (scored alone,
  without a timing pass);
- a release that takes 1.5 times as long, in turn by working and by sleeping.

Faults are drawn anew in every run. Run it on a machine that is otherwise quiet::

    python experiments/planted_regressions.py --repeats 20

The exit code is 0 where at least 19 of 20 faults were caught with exit code 1, of each kind, and at
most 1 of 20 honest runs raised an alarm. It takes about 10 minutes on two cores.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from trackbench.benchmarks.compare.gates import read_gates
from trackbench.benchmarks.compare.resultset import read_results
from trackbench.benchmarks.compare.verdict import compare
from trackbench.benchmarks.runfile import profile_path

RELEASE = '''
"""A matcher of a third party."""

import time

import numpy as np
from trackbench import Match, hookimpl
from trackbench.plugins.cpd import CpdMatcher

CONFUSED = {confused}  # share of the neurons of a worm
SLOWER = {slower}  # share of its own time that is added
SLEEPS = {sleeps}
DRAW = {draw}


class SubjectMatcher(CpdMatcher):
    """Coherent point drift as it comes with trackbench."""

    name = "subject"

    def match(self, prepared, tests):
        begun, busy = time.perf_counter(), time.thread_time()
        found = [self.confused(match, test) for match, test in
                 zip(super().match(prepared, tests), tests)]
        worked = time.thread_time() - busy
        if SLEEPS:
            time.sleep(SLOWER * worked)
        while time.thread_time() - busy < (1 + SLOWER) * worked and not SLEEPS:
            pass
        return found

    def confused(self, match, test):
        rng = self.rng(DRAW, test.zyx_um)
        n = int(CONFUSED * len(test) + rng.random())
        if n < 2:
            return match
        rows = rng.choice(len(test), n, replace=False)
        log_p = match.log_p.copy()
        log_p[rows] = log_p[np.roll(rows, 1)]
        return Match(log_p, match.template, match.test)


@hookimpl
def trackbench_matchers():
    return [SubjectMatcher]
'''

RUN = (
    *("run", "--profile", "ci", "--matchers", "subject", "--jobs", "0", "--timing-budget", "2"),
    *("--dataset", "semi-synthetic[limit=40]", "--protocol", "semi-synthetic"),
)
CAUGHT = 1


@dataclass(frozen=True)
class Kind:
    """One kind of release: what it does, how it is run, and whether an alarm is right."""

    name: str
    confused: float = 0.0
    slower: float = 0.0
    options: tuple[str, ...] = ()
    alarm: bool = True


KINDS = (
    Kind("the same", alarm=False),
    Kind("3 points worse", confused=0.032, options=("--no-timing",)),
    Kind("1.5 times slower", slower=0.5),
)


def main() -> int:
    """Run all trials and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=20, help="runs of each kind")
    parser.add_argument("--folder", type=Path, help="keeps stores and a line a run; else temporary")
    typed = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = typed.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        baseline = make_baseline(folder)
        trials = [
            trial(kind, number, baseline, folder / f"{number}-{kind.name.replace(' ', '-')}")
            for number in range(typed.repeats)
            for kind in KINDS
        ]
        (folder / "trials.jsonl").write_text("".join(json.dumps(item) + "\n" for item in trials))
    return judge(trials)


def make_baseline(folder: Path) -> Path:
    """Run the honest release and write its baseline."""
    out, baseline = folder / "baseline", folder / "baseline.json"
    package = write_release(out / "package", Kind("honest"), 0)
    done = [
        trackbench(package, *RUN, "--out", str(out / "store")),
        trackbench(package, "baseline", "update", str(out / "store"), str(baseline)),
    ]
    if any(process.returncode for process in done):
        raise SystemExit("".join(process.stderr for process in done))
    return baseline


def trial(kind: Kind, number: int, baseline: Path, out: Path) -> dict[str, Any]:
    """Run one release against the baseline."""
    package = write_release(out / "package", kind, number)
    begun = time.perf_counter()
    against = ("--against", str(baseline), "--out", str(out / "store"))
    done = trackbench(package, *RUN, *kind.options, *against)
    seconds = time.perf_counter() - begun
    (line,) = compare(
        read_results(baseline), read_results(out / "store"), read_gates(profile_path("ci"))
    ).lines
    found = {
        "kind": kind.name,
        "exit": done.returncode,
        "change": line.accuracy.difference,
        "ratio": line.speed.ratio,
        "seconds": round(seconds, 1),
        "said": done.stderr.strip(),
    }
    click.echo(
        f"{number:3d} {kind.name:18s} exit {done.returncode}, "
        f"change {line.accuracy.difference:+.4f}, "
        f"ratio {line.speed.ratio or float('nan'):.2f}, {seconds:.0f} s"
    )
    return found


def write_release(package: Path, kind: Kind, number: int) -> Path:
    """Write a package that Python finds in a folder; give the folder."""
    info = package / "trackbench_subject-1.0.dist-info"
    info.mkdir(parents=True, exist_ok=True)
    text = RELEASE.format(
        confused=kind.confused, slower=kind.slower, sleeps=bool(number % 2), draw=number
    )
    (package / "trackbench_subject.py").write_text(text.lstrip())
    (info / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: trackbench-subject\nVersion: 1.0\n"
    )
    (info / "entry_points.txt").write_text("[trackbench]\nsubject = trackbench_subject\n")
    return package


def trackbench(package: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Call the command line with a package installed."""
    found = [str(package), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(found)}
    command = [sys.executable, "-c", "from trackbench.cli import main; main()", *words]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def judge(trials: list[dict[str, Any]]) -> int:
    """Print a line a kind; give the exit code."""
    click.echo(
        f"\n{'release':18s} {'runs':>4s} {'alarms':>6s}  {'change':>8s} "
        f"{'ratio, range':>14s}  s/run"
    )
    passed = True
    for kind in KINDS:
        mine = [item for item in trials if item["kind"] == kind.name]
        alarms = sum(item["exit"] == CAUGHT for item in mine)
        odd = [item["said"] for item in mine if item["exit"] not in {0, CAUGHT}]
        ratios = sorted(item["ratio"] for item in mine if item["ratio"] is not None)
        spread = f"{ratios[0]:.2f} to {ratios[-1]:.2f}" if ratios else "-"
        change = sum(item["change"] for item in mine) / len(mine)
        each = sum(item["seconds"] for item in mine) / len(mine)
        click.echo(
            f"{kind.name:18s} {len(mine):4d} {alarms:6d}  {change:+8.4f} {spread:>14s}  {each:.1f}"
        )
        passed &= not odd and (
            alarms >= 0.95 * len(mine) if kind.alarm else alarms <= 0.05 * len(mine)
        )
        for said in odd:
            click.echo(f"  not a verdict: {said}")
    click.echo("passed" if passed else "FAILED")
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
