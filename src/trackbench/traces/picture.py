"""A heat map of the activity of all neurons (as in Figure 3, supplement 1 of Yu et al. 2021)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
from scipy.cluster.hierarchy import leaves_list, linkage

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from trackbench.traces.activity import Activity
    from trackbench.track.tracks import Tracks

    FloatArray = NDArray[np.float64]

__all__ = ["alike_together", "draw_heat_map"]

WIDTH_IN: Final = 12.0
ROW_IN: Final = 0.11
LABELED: Final = 70


def draw_heat_map(path: Path, tracks: Tracks, active: Activity) -> None:
    """Draw one row a neuron, its dF/F0 as color; neurons that act alike stand together.

    Parameters
    ----------
    path : Path
        A ``.png``, or what else matplotlib can write.
    tracks : Tracks
    active : Activity
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    order = alike_together(active.dff)
    shown = active.dff[:, order].T
    labeled = range(0, len(order), max(1, -(-len(order) // LABELED)))
    figure = Figure(figsize=(WIDTH_IN, 2.2 + ROW_IN * len(labeled)), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.set_facecolor("0.75")
    brightest = float(np.nanpercentile(shown, 98)) if np.isfinite(shown).any() else 1.0
    timed = bool(np.isfinite(tracks.times_s).all()) and len(tracks) > 1
    reach = tracks.times_s[[0, -1]] if timed else np.array([0.0, len(tracks)])
    image = axes.imshow(
        shown,
        aspect="auto",
        interpolation="nearest",
        cmap="magma",
        vmin=0.0,
        vmax=max(brightest, 1e-6),
        extent=(float(reach[0]), float(reach[1]), len(order) - 0.5, -0.5),
    )
    axes.set_yticks(labeled, [tracks.label(int(order[row])) for row in labeled], fontsize=6)
    axes.set_xlabel("time (s)" if timed else "volume")
    figure.colorbar(image, ax=axes, label="dF/F0 of the ratio", shrink=0.6, pad=0.01)
    axes.set_title(f"{tracks.attributes['recording']}: {len(order)} neurons; gray: not found")
    figure.savefig(path, dpi=130)


def alike_together(dff: FloatArray) -> NDArray[np.intp]:
    """Order neurons (columns) so that correlated ones are neighbours; those unseen are left out.

    Average-linkage clustering on one minus the correlation, leaves in the order of the tree.

    Parameters
    ----------
    dff : (T, N) array
        NaN where not known.
    """
    present = np.flatnonzero(np.isfinite(dff).mean(axis=0) > 0.1)
    if len(present) < 3:
        return present
    values = dff[:, present]
    centred = np.nan_to_num(values - np.nanmean(values, axis=0))
    length = np.linalg.norm(centred, axis=0)
    alike = (centred / np.where(length > 0, length, 1.0)).T
    distance = np.clip(1.0 - alike @ alike.T, 0.0, 2.0)
    upper = distance[np.triu_indices(len(present), 1)]
    order: NDArray[np.intp] = present[leaves_list(linkage(upper, "average", optimal_ordering=True))]
    return order
