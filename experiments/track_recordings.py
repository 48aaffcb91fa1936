"""Measures `trackbench track` and `trackbench traces` on simulated recordings.

    python experiments/track_recordings.py --out FOLDER            points: speed, gain of --smooth
    python experiments/track_recordings.py --out FOLDER --images   2 GB of images: memory, traces

Points: 1500 volumes of a head of 120 neurons, by fdnc and by cpd, two processes, from the start of
the command to its end. Images: 400 volumes of a head at real density, 2.1 GB uncompressed.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import time
from pathlib import Path

import h5py
from click import echo

COMMAND = (sys.executable, "-c", "from trackbench.cli import main; main()")
SEED = 7


def run(*words: object) -> tuple[str, float]:
    """Run a command of trackbench; give what it printed and its wall time in s."""
    started = time.perf_counter()
    done = subprocess.run([*COMMAND, *map(str, words)], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    return done.stdout, time.perf_counter() - started


def found(pattern: str, text: str) -> str:
    """Give the first group of a pattern in what was printed."""
    match = re.search(pattern, text)
    return match[1] if match else "-"


def points(out: Path, volumes: int) -> None:
    """Print speed and accuracy for points, with and without time."""
    folder = out / f"points-{volumes}"
    if not folder.exists():
        run("simulate", "--recording", volumes, "--seed", SEED, "--out", folder)
    echo("| matcher | smooth | volumes | seconds | right |\n|---|---|---|---|---|")
    for matcher in ("fdnc", "cpd"):
        tracks = out / f"{matcher}.h5"
        words = ("track", folder, "--template", volumes // 2, "--matcher", matcher, "-o", tracks)
        _, seconds = run(*words, "--overwrite", "--workers", 2)
        for smooth in ((), ("--smooth",)):
            printed, _ = run(*words, *smooth, "--raster", out / f"{matcher}.png")
            right = found(r"([\d.]+%) right", printed)
            how = "yes" if smooth else "no"
            took = "-" if smooth else f"{seconds:.1f}"
            echo(f"| {matcher} | {how} | {volumes} | {took} | {right} |")


def uncompressed(source: Path, target: Path) -> None:
    """Copy a recording's images without compression or label masks."""
    with h5py.File(source) as packed, h5py.File(target, "w") as plain:
        plain.attrs.update(packed.attrs)
        for name in ("pointdat", "truth/calcium"):
            plain[name] = packed[name][()]
        for t in range(int(packed.attrs["T"])):
            plain[f"{t}/frame"] = packed[f"{t}/frame"][()]


def images(out: Path, volumes: int) -> None:
    """Print memory, accuracy and the quality of traces for images."""
    recording = out / "images.h5"
    if not recording.exists():
        run("simulate", "--images", "head", "--recording", volumes, "-o", out / "packed.h5")
        uncompressed(out / "packed.h5", recording)
        (out / "packed.h5").unlink()
    echo(f"{recording.stat().st_size / 1e9:.2f} GB of images, {volumes} volumes")
    words = ("track", recording, "--template", 0, "-o", out / "images-tracks.h5")
    for smooth in ((), ("--smooth",)):
        printed, _ = run(*words, *smooth, "--workers", 2, "--raster", out / "images.png")
        echo(printed)
        printed, _ = run("traces", recording, out / "images-tracks.h5", "-o", out / "traces.h5")
        echo(printed)
    recording.unlink()


def main() -> None:
    """Measure what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--images", action="store_true")
    parser.add_argument("--volumes", type=int)
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    if given.images:
        images(given.out, given.volumes or 400)
    else:
        points(given.out, given.volumes or 1500)


if __name__ == "__main__":
    main()
