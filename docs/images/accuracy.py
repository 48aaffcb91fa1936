"""Draws accuracy.png of the README from the summary of a run.

trackbench run --matchers fdnc,cpd,nearest --protocol chaudhary,nguyen2017 --summary summary.json
python docs/images/accuracy.py summary.json docs/images/accuracy.png
"""

import json
import sys
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")
import matplotlib.pyplot as plt

PUBLISHED = {
    "chaudhary": [
        ("fDNC, published", 0.05, 0.782),
        ("CPD, published (oracle flip)", 0.93, 0.589),
    ],
    "nguyen2017": [
        ("fDNC, published", 0.05, 0.791),
        ("CPD, published", 0.93, 0.627),
        ("NeRVE(1), published", 10.0, 0.731),
    ],
}
TITLES = {
    "chaudhary": "NeuroPAL heads, worm to worm\n(chaudhary, positions only)",
    "nguyen2017": "A moving worm, volume to volume\n(nguyen2017, one template)",
}
COLORS = {"fdnc": "tab:blue", "cpd": "tab:orange", "nearest": "tab:gray"}
BELOW = {("chaudhary", "cpd")}
"""Labels that go under their point, since something else lies above it."""


def draw(rows, target):
    """Draw one panel a protocol: our methods with intervals, published numbers hollow."""
    figure, axes = plt.subplots(1, len(TITLES), figsize=(11, 4.4), sharey=True)
    for ax, (protocol, title) in zip(axes, TITLES.items(), strict=True):
        for row in rows:
            if row["protocol"] == protocol and row["headline"] and row["seconds_per_volume"]:
                _point(ax, row)
        for name, seconds, accuracy in PUBLISHED[protocol]:
            ax.plot(seconds, accuracy, "o", mfc="none", color="black", ms=7)
            right = seconds > 1
            ax.annotate(
                name,
                (seconds, accuracy),
                xytext=(-8 if right else 8, -12),
                textcoords="offset points",
                fontsize=8,
                ha="right" if right else "left",
            )
        ax.set(
            xscale="log", xlim=(2e-4, 60), ylim=(0, 1.02), title=title, xlabel="seconds per volume"
        )
        ax.grid(alpha=0.3)
    axes[0].set_ylabel("share of neurons matched correctly (M_pair)")
    figure.tight_layout()
    figure.savefig(target, dpi=130)


def _point(ax, row):
    error = [[row["mean"] - row["low"]], [row["high"] - row["mean"]]]
    color = COLORS.get(row["matcher"], "tab:green")
    ax.errorbar(
        row["seconds_per_volume"], row["mean"], error, fmt="o", color=color, ms=9, capsize=3
    )
    label = f"{row['matcher']} {row['mean']:.3f}"
    ax.annotate(
        label,
        (row["seconds_per_volume"], row["mean"]),
        xytext=(-4, -20) if (row["protocol"], row["matcher"]) in BELOW else (-4, 9),
        textcoords="offset points",
        color=color,
        weight="bold",
    )


if __name__ == "__main__":
    draw(json.loads(Path(sys.argv[1]).read_text()), sys.argv[2])
