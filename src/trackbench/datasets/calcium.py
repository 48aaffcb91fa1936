"""Recordings of calcium activity in moving worms, with human identities through time."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import permutations
from typing import TYPE_CHECKING, Final

import numpy as np

from trackbench.core.hookspecs import hookimpl
from trackbench.core.plugin import Dataset, DatasetConfig
from trackbench.datasets.calcium_protocols import PROTOCOLS
from trackbench.datasets.cases import at_least_one, make_case, section_folder
from trackbench.datasets.readers.fdnc_points import list_fdnc_volumes, read_fdnc_points
from trackbench.datasets.readers.targettrack import POINT_VOXEL_UM, read_frame, read_points
from trackbench.datasets.registry import load_sources
from trackbench.datasets.selection import evenly
from trackbench.errors import MissingDataError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from trackbench.core.plugin import Protocol
    from trackbench.core.types import Case, PointCloud, Volume

__all__ = ["Calcium", "LabeledFrame", "read_labeled_frames"]

TRACKBENCH_API = 1

NGUYEN: Final = "nguyen2017"
NGUYEN_FOLDER: Final = "test_tracking/real_jeff_all"
TEMPLATE_VOLUME: Final = 663
LAST_VALIDATION_VOLUME: Final = 200
REFERENCES: Final = 100

TARGETTRACK: Final = "targettrack"
TARGETTRACK_IMAGES: Final = "targettrack-images"
HELD_OUT_FRAME: Final = "D"
LABELED_FRAMES: Final = {"A": ("ex2", "ex1"), "B": ("ex3", "ex5"), "C": ("ex4",), "D": ("ex6",)}
"""Folders that hold each distinct human-labeled frame, the one with an image first."""


@dataclass(frozen=True, eq=False)
class LabeledFrame:
    """One human-labeled frame of targettrack: its letter, points, and image if there is one."""

    letter: str
    cloud: PointCloud
    volume: Volume | None


class Calcium(Dataset[DatasetConfig]):
    """Calcium recordings of single worms, whose neurons people followed."""

    name = "calcium"
    cite = (
        "Nguyen et al. 2017, PLoS Comput Biol 13:e1005517; Yu et al. 2021, eLife 10:e66410; "
        "Park et al. 2023, Nature Methods, doi 10.1038/s41592-023-02096-3"
    )

    def protocols(self) -> tuple[Protocol, ...]:
        """List the protocols; `nguyen2017` is the default."""
        return PROTOCOLS

    def source(self, protocol: str) -> str:
        """Name the section of the registry."""
        return NGUYEN if protocol.startswith(NGUYEN) else TARGETTRACK

    def expected_cases(self, protocol: str, split: str) -> int | None:
        """Say how many cases the complete public data gives."""
        if protocol.startswith(NGUYEN):
            files = load_sources()[NGUYEN].files
            volumes = [int(file.path.rsplit("_", 1)[1].removesuffix(".npy")) for file in files]
            return len(_nguyen_tests(volumes, split))
        return len(_frame_questions(tuple(LABELED_FRAMES), protocol, split))

    def cases(self, protocol: str, split: str, data_dir: Path | None) -> Iterator[Case]:
        """Give the cases of a protocol; volumes that a partial copy lacks are left out.

        Raises
        ------
        MissingDataError
            The folder, the template volume or every volume of the split isn't there.
        InputError
            A file that can't be used.
        """
        folder = section_folder(data_dir, self.source(protocol))
        make = self._nguyen_cases if protocol.startswith(NGUYEN) else self._frame_cases
        return at_least_one(make(folder, protocol, split), folder, protocol, split)

    def _nguyen_cases(self, folder: Path, protocol: str, split: str) -> Iterator[Case]:
        paths = list_fdnc_volumes(folder / NGUYEN_FOLDER)
        if TEMPLATE_VOLUME not in paths:
            raise MissingDataError(
                f"{folder}: no volume {TEMPLATE_VOLUME}, the template", "fetch the other files"
            )
        templates: tuple[PointCloud, ...] = (_read_volume(paths, TEMPLATE_VOLUME),)
        if protocol == "nguyen2017-100":
            others = [volume for volume in paths if volume != TEMPLATE_VOLUME]
            chosen = evenly(others, REFERENCES - 1)
            templates += tuple(_read_volume(paths, volume).without_names() for volume in chosen)
        for volume in evenly(_nguyen_tests(list(paths), split), self.config.limit):
            test = _read_volume(paths, volume)
            yield make_case(test.id, templates, test, protocol=protocol, split=split)

    def _frame_cases(self, folder: Path, protocol: str, split: str) -> Iterator[Case]:
        frames = read_labeled_frames(folder)
        from_images = protocol == TARGETTRACK_IMAGES
        if from_images:
            frames = {
                letter: replace(frame, cloud=_onto_the_light(frame.cloud))
                for letter, frame in frames.items()
                if frame.volume is not None
            }
        questions = _frame_questions(tuple(frames), protocol, split)
        for letters, letter in evenly(questions, self.config.limit):
            name = f"{''.join(letters)}-{letter}"
            yield make_case(
                name,
                tuple(frames[other].cloud for other in letters),
                frames[letter].cloud,
                protocol=protocol,
                split=split,
                group=name,
                volume=frames[letter].volume,
                oracle=from_images,
            )


def read_labeled_frames(folder: Path) -> Mapping[str, LabeledFrame]:
    """Read the human-labeled frames of targettrack that are there, by their letters.

    Parameters
    ----------
    folder : Path
        Holds ``data_points/``.
    """
    frames = {}
    for letter, examples in LABELED_FRAMES.items():
        for example in examples:
            source = folder / "data_points" / example
            if (source / "pts_gt.npy").exists():
                frames[letter] = _read_labeled_frame(letter, source)
                break
    return frames


def _read_labeled_frame(letter: str, source: Path) -> LabeledFrame:
    name = f"{TARGETTRACK}-{letter}"
    image = source / "frame_gt.npy"
    return LabeledFrame(
        letter,
        read_points(source / "pts_gt.npy", name, TARGETTRACK),
        read_frame(image, name) if image.exists() else None,
    )


def _onto_the_light(cloud: PointCloud) -> PointCloud:
    """Move points of people by the slice that they lie too deep.

    In each of the frames A to C the red channel is brightest one slice above the points, as if
    they were counted from 1; x and y fit to a quarter of a voxel.
    """
    return replace(cloud, zyx_um=cloud.zyx_um - np.array([POINT_VOXEL_UM[0], 0, 0]))


def _frame_questions(
    letters: Sequence[str], protocol: str, split: str
) -> tuple[tuple[tuple[str, ...], str], ...]:
    """List (template letters, test letter); the held-out frame is the test of split "test"."""
    if split == "train":
        letters = [letter for letter in letters if letter != HELD_OUT_FRAME]
    found: list[tuple[tuple[str, ...], str]]
    if protocol in {TARGETTRACK, TARGETTRACK_IMAGES}:
        found = [((template,), test) for template, test in permutations(letters, 2)]
    else:
        others = {test: tuple(x for x in letters if x != test) for test in letters}
        found = [(templates, test) for test, templates in others.items() if templates]
    return tuple(pair for pair in found if split != "test" or pair[1] == HELD_OUT_FRAME)


def _nguyen_tests(volumes: Sequence[int], split: str) -> tuple[int, ...]:
    is_validation = split == "validation"
    return tuple(
        volume
        for volume in sorted(volumes)
        if (volume <= LAST_VALIDATION_VOLUME) == is_validation and volume != TEMPLATE_VOLUME
    )


def _read_volume(paths: Mapping[int, Path], volume: int) -> PointCloud:
    return read_fdnc_points(paths[volume], f"{NGUYEN}-{volume}", NGUYEN)


@hookimpl
def trackbench_datasets() -> list[type[Dataset[DatasetConfig]]]:
    """Give the dataset."""
    return [Calcium]
