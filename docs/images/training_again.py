"""Draws training-again.png from the curve of a run, beside that of the shipped weights.

trackbench train fdnc --seed 1 --out run    # its curve.csv is kept here as training-again.csv
python docs/images/training_again.py docs/images/training-again.csv docs/images/training-again.png

Says the table of train-a-matcher.md too: both runs at the same steps, interpolated between
validations.
"""

import csv
import sys
from importlib.resources import files

import matplotlib as mpl
import numpy as np

mpl.use("Agg")
import matplotlib.pyplot as plt

LATE = 950
"""Step at which both runs change to worms that differ as much as real ones do."""


def read(path):
    """Give step, validation loss and accuracy (%) of the matching network."""
    with path.open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["stage"] == "matching"]
    columns = ("step", "validation_loss", "validation_accuracy")
    step, loss, accuracy = np.array([[float(row[name]) for name in columns] for row in rows]).T
    return step, loss, 100 * accuracy


def draw(shipped, again, target):
    """Draw loss and accuracy of both runs against the step."""
    figure, axes = plt.subplots(1, 2, figsize=(10, 3.8), layout="constrained")
    for ax, column, label in zip(axes, (1, 2), ("loss", "accuracy, %"), strict=True):
        ax.plot(shipped[0], shipped[column], "o-", ms=4, label="shipped weights (seed 0)")
        ax.plot(again[0], again[column], "s-", ms=4, label="another seed")
        ax.axvline(LATE, color="gray", lw=0.8, ls=":")
        ax.set(xlabel="step", ylabel=f"validation {label}", xlim=(0, None))
        ax.grid(alpha=0.3)
    axes[1].set(ylim=(0, 65))
    axes[1].legend(loc="lower right")
    figure.savefig(target, dpi=130)


def table(shipped, again):
    """Compare both runs at the steps of the shipped one, and where the other ended."""
    steps = [*(step for step in shipped[0] if again[0][0] <= step < again[0][-1]), again[0][-1]]
    lines = ["| step | shipped, % | another seed, % | difference | loss, shipped | loss, other |"]
    lines.append("|---|---|---|---|---|---|")
    for step in steps:
        loss, accuracy = (np.interp(step, shipped[0], shipped[i]) for i in (1, 2))
        other_loss, other = (np.interp(step, again[0], again[i]) for i in (1, 2))
        lines.append(
            f"| {step:.0f} | {accuracy:.1f} | {other:.1f} | {other - accuracy:+.1f} "
            f"| {loss:.3f} | {other_loss:.3f} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    from pathlib import Path

    import click

    of_package = read(files("trackbench.plugins.fdnc") / "curve.csv")
    other_run = read(Path(sys.argv[1]))
    draw(of_package, other_run, sys.argv[2])
    click.echo(table(of_package, other_run))
