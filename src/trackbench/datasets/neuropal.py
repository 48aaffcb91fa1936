"""Real NeuroPAL heads with human names: the WormND collection and the pair that fDNC ships."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from pydantic import Field

from trackbench.core.hookspecs import hookimpl
from trackbench.core.plugin import Dataset, DatasetConfig
from trackbench.datasets.cases import at_least_one, make_case, section_folder
from trackbench.datasets.neuropal_protocols import (
    EXPECTED_CASES,
    FIVE_FOLDS,
    HANDEDNESS_GIVEN,
    PROTOCOLS,
)
from trackbench.datasets.readers.fdnc_data import read_fdnc_data
from trackbench.datasets.readers.wormnd import (
    HANDEDNESS_FILE,
    WormndEntry,
    read_handedness,
    read_wormnd_index,
    read_wormnd_worm,
)
from trackbench.datasets.selection import evenly
from trackbench.datasets.splits import CROSS_LAB_TEST, neuropal_split
from trackbench.errors import InputError, MissingDataError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from trackbench.core.plugin import Protocol
    from trackbench.core.types import Case, PointCloud

__all__ = ["NeuroPAL", "NeuroPALConfig"]

TRACKBENCH_API = 1

WORMND: Final = "wormnd"
FDNC_EXAMPLE: Final = "fdnc_example"
UNSCORED_GROUP: Final = "original"
"""The fold of the worms that are in every training set of the published runs."""


class NeuroPALConfig(DatasetConfig):
    """Parameters of `neuropal`."""

    oracle: bool = Field(
        default=False,
        description="positions aligned with the help of the true names; never in a headline",
    )


class NeuroPAL(Dataset[NeuroPALConfig]):
    """Real NeuroPAL heads of seven labs, named by people."""

    name = "neuropal"
    Config = NeuroPALConfig
    cite = (
        "Sprague et al. 2024 (WormID); WormND 2024; Chaudhary et al. 2021; Yemini et al. 2021; "
        "Yu et al. 2021"
    )

    def protocols(self) -> tuple[Protocol, ...]:
        """List the protocols; `chaudhary` is the default."""
        return PROTOCOLS

    def source(self, protocol: str) -> str:
        """Name the section of the registry."""
        return FDNC_EXAMPLE if protocol == "fdnc-example" else WORMND

    def expected_cases(self, protocol: str, split: str) -> int | None:
        """Say how many cases the complete public data gives."""
        return EXPECTED_CASES.get((protocol, split))

    def cases(self, protocol: str, split: str, data_dir: Path | None) -> Iterator[Case]:
        """Give the cases of a protocol; worms that a partial copy lacks are left out.

        Raises
        ------
        MissingDataError
            The folder isn't there, or holds nothing of the split.
        InputError
            A file that can't be used.
        """
        folder = section_folder(data_dir, self.source(protocol))
        if protocol == "fdnc-example":
            return iter((self._example(folder),))
        entries = read_wormnd_index(folder)
        if protocol in HANDEDNESS_GIVEN and not self.config.oracle:
            _require_handedness(folder)
        if protocol.startswith("chaudhary"):
            found = self._chaudhary_cases(entries, protocol, split)
        elif protocol == FIVE_FOLDS.name:
            found = self._fold_cases(entries, protocol, split)
        else:
            found = self._wormnd_cases(entries, protocol, split)
        return at_least_one(found, folder, protocol, split)

    def _read(self, entry: WormndEntry) -> PointCloud:
        return read_wormnd_worm(entry, aligned=self.config.oracle)

    def _example(self, folder: Path) -> Case:
        if self.config.oracle:
            raise InputError("fdnc-example has no oracle coordinates", "leave oracle out")
        template = read_fdnc_data(folder / "template.data", "template", "fdnc-template")
        test = read_fdnc_data(folder / "test.data", "test", "fdnc-test")
        return make_case("template__test", (template,), test, protocol="fdnc-example", split="test")

    def _chaudhary_cases(
        self, entries: Sequence[WormndEntry], protocol: str, split: str
    ) -> Iterator[Case]:
        worms = [
            replace(self._read(entry), color=None, mirrored=None)
            for entry in entries
            if entry.lab == CROSS_LAB_TEST
        ]
        templates = worms if protocol == "chaudhary" else sorted(worms, key=_most_names)[:1]
        pairs = [(a, b) for a in templates for b in worms if a is not b]
        shared = {template.id: (template,) for template in templates}
        for template, test in evenly(pairs, self.config.limit):
            yield make_case(
                f"{template.id}__{test.id}",
                shared[template.id],
                test,
                protocol=protocol,
                split=split,
                group=CROSS_LAB_TEST,
                oracle=self.config.oracle,
            )

    def _wormnd_cases(
        self, entries: Sequence[WormndEntry], protocol: str, split: str
    ) -> Iterator[Case]:
        scored = [entry for entry in entries if entry.scored and _split(entry) == split]
        tests = evenly(sorted(scored, key=_lab_and_id), self.config.limit)
        train = [(entry.lab, self._read(entry)) for entry in entries if _split(entry) == "train"]
        if protocol == "wormnd-position":
            train = [(lab, replace(cloud, color=None)) for lab, cloud in train]
        shared = {lab: _own_lab_first(train, lab) for lab in {entry.lab for entry in tests}}
        for entry in tests:
            test = self._read(entry)
            if protocol == "wormnd-position":
                test = replace(test, color=None)
            elif protocol == "wormnd-blind":
                test = replace(test, mirrored=None)
            templates = shared[entry.lab]
            if split == "train":
                templates = tuple(worm for worm in templates if worm.id != test.id)
            yield self._scored_case(entry, templates, test, protocol, split)

    def _fold_cases(
        self, entries: Sequence[WormndEntry], protocol: str, split: str
    ) -> Iterator[Case]:
        worms = {entry.id: self._read(entry) for entry in entries}
        shared: dict[tuple[str, str], tuple[PointCloud, ...]] = {}
        scored = [entry for entry in entries if entry.scored and entry.group != UNSCORED_GROUP]
        for entry in evenly(sorted(scored, key=_lab_and_id), self.config.limit):
            key = entry.lab, entry.group
            if key not in shared:
                others = [(x.lab, worms[x.id]) for x in entries if x.group != entry.group]
                shared[key] = _own_lab_first(others, entry.lab)
            yield self._scored_case(entry, shared[key], worms[entry.id], protocol, split)

    def _scored_case(
        self,
        entry: WormndEntry,
        templates: tuple[PointCloud, ...],
        test: PointCloud,
        protocol: str,
        split: str,
    ) -> Case:
        return make_case(
            test.id,
            templates,
            test,
            protocol=protocol,
            split=split,
            group=entry.lab,
            oracle=self.config.oracle,
        )


def _lab_and_id(entry: WormndEntry) -> tuple[str, str]:
    return entry.lab, entry.id


def _split(entry: WormndEntry) -> str:
    return neuropal_split(entry.id, entry.lab, entry.group)


def _most_names(worm: PointCloud) -> tuple[int, str]:
    return -sum(name != "" for name in worm.names or ()), worm.id


def _own_lab_first(worms: Sequence[tuple[str, PointCloud]], lab: str) -> tuple[PointCloud, ...]:
    order = sorted(worms, key=lambda item: (item[0] != lab, *_most_names(item[1])))
    return tuple(cloud for _, cloud in order)


def _require_handedness(folder: Path) -> None:
    if not read_handedness(folder):
        raise MissingDataError(
            f"{folder / HANDEDNESS_FILE}: no such file, and this protocol gives the handedness",
            "write it (columns Filename, handedness: 1 as the anatomy, -1 mirrored; it is no part "
            "of the public download), or use wormnd-blind",
        )


@hookimpl
def trackbench_datasets() -> list[type[Dataset[NeuroPALConfig]]]:
    """Give the dataset."""
    return [NeuroPAL]
