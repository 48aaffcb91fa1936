"""Checks for segmenters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from trackbench.core.keys import content_key
from trackbench.core.seeds import generator
from trackbench.core.types import PointCloud, Volume
from trackbench.testing import process_checks

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from trackbench.core.plugin import Plugin

__all__ = ["CHECKS"]

VOXEL_UM: Final = (1.5, 0.4, 0.4)


def toy_volume() -> Volume:
    """Make a volume of six bright balls on a dim, noisy background."""
    rng = generator("toy volume")
    z, y, x = np.indices((12, 48, 96))
    data = rng.poisson(5.0, size=z.shape).astype(np.float32)
    for centre in ((3, 12, 14), (8, 34, 14), (4, 34, 44), (8, 12, 50), (3, 12, 80), (8, 34, 78)):
        squared = sum(
            ((axis - c) * pitch) ** 2
            for axis, c, pitch in zip((z, y, x), centre, VOXEL_UM, strict=True)
        )
        data += 200.0 * np.exp(-squared / (2 * 1.5**2))
    return Volume(data[None], VOXEL_UM, id="toy volume")


def _segment(cls: type[Plugin[Any]], volume: Volume) -> PointCloud:
    plugin: Any = cls()
    found = plugin.segment(volume)
    assert isinstance(found, PointCloud), f"segment gave a {type(found).__name__}"
    return found


def check_finds_balls(cls: type[Plugin[Any]]) -> None:
    """Six bright balls are found, in µm, inside the volume."""
    volume = toy_volume()
    found = _segment(cls, volume)
    extent = np.array(volume.data.shape[1:]) * volume.voxel_um
    assert 4 <= len(found) <= 9, f"{len(found)} neurons found where there are 6"
    assert (found.zyx_um >= -1).all(), "a position lies outside the volume"
    assert (found.zyx_um <= extent + 1).all(), "a position lies outside the volume"


def check_empty_volume(cls: type[Plugin[Any]]) -> None:
    """A volume of one value gives a cloud, not an error."""
    _segment(cls, Volume(np.zeros((1, 6, 24, 24), np.uint8), VOXEL_UM))


def check_deterministic(cls: type[Plugin[Any]]) -> None:
    """Two instances with one seed give the same cloud to the last digit."""
    one, other = (_segment(cls, toy_volume()) for _ in range(2))
    assert np.array_equal(one.zyx_um, other.zyx_um), "two runs differ"


def check_inputs_unchanged(cls: type[Plugin[Any]]) -> None:
    """The volume that went in is the same afterwards."""
    volume = toy_volume()
    before = content_key(volume.data)
    _segment(cls, volume)
    assert content_key(volume.data) == before, "the volume was changed"


def check_spawn_and_kill(cls: type[Plugin[Any]]) -> None:
    """A new process gives the same cloud, after another was killed at its work."""
    process_checks.check_spawn_and_kill(cls, _toy_answer)


def _toy_answer(cls: type[Plugin[Any]]) -> NDArray[np.float32]:
    return _segment(cls, toy_volume()).zyx_um


CHECKS: Final[tuple[Callable[[type[Plugin[Any]]], None], ...]] = (
    check_finds_balls,
    check_empty_volume,
    check_deterministic,
    check_inputs_unchanged,
    check_spawn_and_kill,
)
