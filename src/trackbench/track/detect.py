"""The neurons of one volume: segmented, or as the recording gives them."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self, cast

from trackbench.errors import UsageError

if TYPE_CHECKING:
    from trackbench.core.plugin import Segmenter
    from trackbench.core.registry import Registry
    from trackbench.core.spec import Spec
    from trackbench.core.types import PointCloud
    from trackbench.datasets.recordings import Recording

__all__ = ["Detector"]


@dataclass(frozen=True)
class Detector:
    """Finds the neurons of a volume.

    Parameters
    ----------
    segmenter : Segmenter, optional
        None for the recording's own points.
    """

    segmenter: Segmenter[Any] | None

    @classmethod
    def made(cls, registry: Registry, recording: Recording, spec: Spec | None, seed: int) -> Self:
        """Make the detector of a plan.

        Raises
        ------
        UsageError
            The recording has no images for a segmenter, or no points of its own.
        """
        header = recording.header
        if spec is None and not header.has_points:
            raise UsageError(
                f"{header.path}: the recording has no points of its own",
                "name a segmenter: --segmenter blobs",
            )
        if spec is not None and not recording.has_images:
            raise UsageError(f"{header.path}: the recording has no images", "leave --segmenter out")
        if spec is None:
            return cls(None)
        return cls(cast("Segmenter[Any]", registry.create("segmenter", spec, seed)))

    def cloud(self, recording: Recording, t: int) -> PointCloud | None:
        """Give the neurons of volume t without names; None where it is empty.

        Raises
        ------
        InputError
            The volume can't be read.
        """
        if self.segmenter is None:
            own = recording.points(t)
            return None if own is None else own.without_names()
        volume = recording.volume(t)
        if volume is None:
            return None
        name = f"{recording.id}-{recording.header.numbers[t]}"
        found = self.segmenter.segment(volume).without_names()
        return dataclasses.replace(found, id=name, animal=recording.id) if len(found) else None
