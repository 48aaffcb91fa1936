"""Targeted augmentation: labelled frames deformed towards frames that nobody labelled.

The network's own, imperfect answer on a target frame says how the nearest labelled frame must be
deformed to look like it. Image and labels are warped together, so that the new pair is right by
construction, even where the estimated deformation is only roughly so (Park et al. 2023).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from trackbench.core.deformation import part_way
from trackbench.plugins.tacnn.augment import Sample
from trackbench.plugins.tacnn.estimate import estimate

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from trackbench.plugins.tacnn.labelled import LabelledFrame

__all__ = ["deform_towards"]


def deform_towards(
    parents: Sequence[LabelledFrame],
    image: NDArray[np.float32],
    probability: NDArray[np.float32],
    *,
    share: float = 1.0,
) -> Sample | None:
    """Deform the labelled frame that becomes most like a target towards it.

    Parameters
    ----------
    parents : sequence of LabelledFrame
    image : (c, z, y, x) array
        The target.
    probability : (z, y, x, classes) array
        The network's answer on it.
    share : float
        Part of the way: 0.3 in Park et al. 2023.

    Returns
    -------
    Sample or None
        None where fewer than five neurons are common with every parent.
    """
    found = estimate([parent.reference for parent in parents], image, probability)
    if not found:
        return None
    best = found[0]
    parent = parents[best.number].sample
    deformation = part_way(best.deformation, share)
    return Sample(parent.image, parent.labels, parent.voxel_um, deformation)
