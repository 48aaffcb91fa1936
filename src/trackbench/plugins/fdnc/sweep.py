"""A sweep over the network's depth and width (Table 7 of Yu et al. 2021)."""

from __future__ import annotations

import csv
from itertools import product
from typing import TYPE_CHECKING

from trackbench.plugins.fdnc.training import train

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from trackbench.plugins.fdnc.training_config import TrainingConfig

__all__ = ["sweep"]

FEED_FORWARD_RATIO = 3


def sweep(
    config: TrainingConfig,
    data_dir: Path,
    out: Path,
    layers: tuple[int, ...],
    widths: tuple[int, ...],
    *,
    device: str,
    threads: int,
    report: Callable[[str], object],
) -> Path:
    """Train every combination of depth and width and tabulate its validation.

    Parameters
    ----------
    config : TrainingConfig
        Of every run, but for the sizes; the feed-forward is three times the width.
    data_dir, out : Path
        One folder a combination is made in `out`; finished ones are not trained again.
    layers, widths : tuple of int
        Empty: the config's own.
    device : str
    threads : int
    report : callable
        Takes one line of progress.

    Returns
    -------
    Path
        Of `sweep.csv`: layers, width, validation loss and accuracy.
    """
    rows = []
    for depth, width in product(
        layers or (config.network.layers,), widths or (config.network.width,)
    ):
        sizes = {
            "layers": depth,
            "width": width,
            "feed_forward": FEED_FORWARD_RATIO * width,
            "deep": tuple(level for level in config.network.deep if level < depth),
        }
        network = config.network.model_copy(update=sizes)
        folder = out / f"layers{depth}-width{width}"
        own = config.model_copy(update={"network": network})
        report(f"{depth} layers of width {width}")
        train(own, data_dir, folder, device=device, threads=threads, report=report)
        rows.append((depth, width, *_last_validation(folder / "curve.csv")))
    table = out / "sweep.csv"
    with table.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(("layers", "width", "validation_loss", "validation_accuracy"))
        writer.writerows(rows)
    return table


def _last_validation(curve: Path) -> tuple[str, str]:
    with curve.open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["stage"] == "matching"]
    return rows[-1]["validation_loss"], rows[-1]["validation_accuracy"]
