"""What every recording gives: volumes or points by index, frame numbers, voxel pitch, times."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from trackbench.core.types import Volume
from trackbench.errors import InputError, UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from trackbench.core.types import PointCloud

__all__ = ["Header", "Recording"]


@dataclass(frozen=True)
class Header:
    """What is known of a recording before any volume is read.

    Parameters
    ----------
    path : Path
    numbers : tuple of int
        Frame number of each volume, as the file or its file names count; increasing.
    channels : tuple of str
        Names of the image channels, the static (red) label first; empty without images.
    voxel_um : (dz, dy, dx), optional
        Voxel pitch in µm; None without images.
    volumes_per_s : float, optional
        None where it isn't known.
    has_points : bool
        Whether volumes come with neurons as points.
    """

    path: Path
    numbers: tuple[int, ...]
    channels: tuple[str, ...] = ()
    voxel_um: tuple[float, float, float] | None = None
    volumes_per_s: float | None = None
    has_points: bool = False


class Recording:
    """One worm through time; each format overrides `volume`, `points` or both.

    Parameters
    ----------
    header : Header
    """

    def __init__(self, header: Header) -> None:
        self.header = header

    def __len__(self) -> int:
        return len(self.header.numbers)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the files; a recording that holds none open has nothing to do."""

    @property
    def id(self) -> str:
        """Name of the recording: its file or folder without suffix."""
        return self.header.path.stem

    @property
    def has_images(self) -> bool:
        """Whether there are image volumes."""
        return bool(self.header.channels)

    @property
    def times_s(self) -> NDArray[np.float64] | None:
        """Time of each volume in s, (T,), counted by frame number; None where not known."""
        rate = self.header.volumes_per_s
        return None if rate is None else np.array(self.header.numbers, dtype=np.float64) / rate

    def index(self, number: int) -> int:
        """Give the index t of a frame number.

        Raises
        ------
        UsageError
            The recording has no such frame.
        """
        try:
            return self.header.numbers.index(number)
        except ValueError:
            first, last = self.header.numbers[0], self.header.numbers[-1]
            raise UsageError(
                f"{self.header.path}: there is no frame {number}",
                f"its {len(self)} frames are numbered {first} to {last}",
            ) from None

    def volume(self, t: int) -> Volume | None:
        """Read the image of volume t; None where there is none or all its voxels are equal.

        Raises
        ------
        InputError
            A volume that can't be read or holds NaN.
        """
        return None

    def points(self, t: int) -> PointCloud | None:
        """Read the neurons of volume t as the file gives them; None where it gives none.

        Raises
        ------
        InputError
            Points that can't be read.
        """
        return None

    def labels(self, t: int) -> NDArray[np.integer[Any]] | None:
        """Read the label mask (z, y, x) of volume t, 0 = background; None where there is none.

        Raises
        ------
        InputError
            A mask that can't be read or of another shape than the image.
        """
        return None

    def calcium(self) -> tuple[tuple[str, ...], NDArray[np.float64]] | None:
        """Give the true calcium of a simulated recording; None of any other.

        Returns
        -------
        names : tuple of str, length N
        dff : (T, N) array
            Change of the indicator's fluorescence, dF/F0.

        Raises
        ------
        InputError
            It doesn't fit the recording.
        """
        return None

    def _as_volume(self, data: NDArray[np.generic], t: int) -> Volume | None:
        """Make a value of an array (c, z, y, x); None where it is constant."""
        header = self.header
        number = header.numbers[t]
        low, high = data.min(), data.max()
        if not (np.isfinite(low) and np.isfinite(high)):
            raise InputError(
                f"{header.path}: frame {number} holds NaN or infinite voxels",
                "write it again with finite intensities",
            )
        if low == high or header.voxel_um is None:
            return None
        times = self.times_s
        return Volume(
            data,
            header.voxel_um,
            header.channels,
            time_s=0.0 if times is None else float(times[t]),
            id=f"{self.id}-{number}",
        )
