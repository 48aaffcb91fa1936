"""How right can names of nguyen2017 be? The noise of the human labels, on validation volumes.

Every name's place in a volume is predicted from the TRUE places of all other names in that volume,
through thin plates from many other labeled volumes, leaving the name itself out. No method is given
so much. Then each name goes to the detection nearest to its predicted place, one to one. Where
even this is wrong, the human label sits on a neighbour of the place where it sits in other
volumes::

    python experiments/nguyen2017_ceiling.py

It needs nguyen2017 (`trackbench data fetch`, or TRACKBENCH_DATA) and about two minutes on one core.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

import click
import numpy as np
from scipy.optimize import linear_sum_assignment

from trackbench.core.geometry import distances
from trackbench.datasets.calcium import Calcium
from trackbench.datasets.locate import find
from trackbench.plugins.nerve.correction import leave_one_out

if TYPE_CHECKING:
    from collections.abc import Sequence

    from trackbench.core.types import PointCloud

FURTHEST_UM2 = 100.0
"""Squared distance beyond which one misplaced name costs no more."""


def places(cloud: PointCloud, owners: Sequence[str], names: Sequence[str]) -> np.ndarray:
    """Look up where each name is, (k, 3), NaN where absent."""
    found = np.full((len(names), 3), np.nan)
    column = {name: k for k, name in enumerate(names)}
    for point, owner in zip(cloud.zyx_um, owners, strict=True):
        if owner in column:
            found[column[owner]] = point
    return found


def predicted(own: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Predict each name's place, (k, 3), from the other names: median over labeled volumes."""
    return np.asarray(np.nanmedian([leave_one_out(volume, own) for volume in others], axis=0))


def share_right(guess: np.ndarray, own: np.ndarray, points: np.ndarray) -> tuple[float, float]:
    """Share of names whose detection is found, one to one and by the nearest detection."""
    known = np.isfinite(guess[:, 0])
    apart = distances(guess[known], points)
    asked = np.isfinite(own[known, 0])
    true = distances(own[known][asked], points).argmin(axis=1)
    column = linear_sum_assignment(np.minimum(apart**2, FURTHEST_UM2))[1]
    return float(np.mean(column[asked] == true)), float(np.mean(apart[asked].argmin(1) == true))


def main() -> None:
    """Print the shares for one and for many labeled volumes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data-dir", type=Path, default=None)
    parser.add_argument("--labeled", type=int, default=80, help="volumes that predict")
    parser.add_argument("--every", type=int, default=6, help="test every so many volumes")
    options = parser.parse_args()
    folder = find("nguyen2017", options.data_dir)
    cases = list(Calcium().cases("nguyen2017", "validation", folder))
    template = cases[0].templates[0]
    names = sorted({name for name in template.names or () if name})
    first = places(template, template.names or (), names)[None]
    labeled = np.stack([places(case.test, case.truth.names, names) for case in cases])
    rng = np.random.default_rng(0)
    shares: dict[str, list[tuple[float, float]]] = {"the template alone": [], "labeled volumes": []}
    for i in range(0, len(cases), options.every):
        points = cases[i].test.zyx_um.astype(np.float64)
        others = rng.permutation([j for j in range(len(cases)) if j != i])[: options.labeled]
        for title, volumes in zip(shares, (first, labeled[others]), strict=True):
            shares[title].append(share_right(predicted(labeled[i], volumes), labeled[i], points))
    for title, found in shares.items():
        one, nearest = np.mean(found, axis=0)
        click.echo(f"{title}: one to one {one:.3f}, nearest {nearest:.3f} (n = {len(found)})")


if __name__ == "__main__":
    main()
