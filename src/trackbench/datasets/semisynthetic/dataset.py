"""The dataset `semi-synthetic`: simulated worms with known truth, no files needed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
from pydantic import Field

from trackbench.core.hookspecs import hookimpl
from trackbench.core.plugin import Dataset, DatasetConfig, Protocol, Published
from trackbench.core.types import PointCloud
from trackbench.datasets.cases import make_case
from trackbench.datasets.selection import evenly

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from trackbench.core.types import Case
    from trackbench.datasets.semisynthetic.shape import ShapeAtlas

__all__ = ["SemiSynthetic", "SemiSyntheticConfig"]

TRACKBENCH_API = 1

FIRST_SEED: Final = {"test": 2_000_000, "validation": 1_000_000, "train": 0}
"""Each pair has a seed of its own; the splits never share one."""

_YU: Final = "Yu et al. 2021, eLife 10:e66410, Results (semi-synthetic data)"
PAIRS: Final = "semi-synthetic"
RECORDING: Final = "semi-synthetic-recording"


class SemiSyntheticConfig(DatasetConfig):
    """Parameters of `semi-synthetic`."""

    pairs: int = Field(default=2000, ge=1, le=1_000_000, description="pairs of simulated worms")
    neurons: int = Field(
        default=120, ge=8, le=160, description="neurons a head, the most anterior ones"
    )
    volumes: int = Field(
        default=200, ge=2, le=100_000, description="volumes of the simulated recording"
    )


class SemiSynthetic(Dataset[SemiSyntheticConfig]):
    """Heads drawn from the shipped atlas, bent, rolled and detected with errors."""

    name = "semi-synthetic"
    Config = SemiSyntheticConfig
    cite = "Yu et al. 2021, eLife 10:e66410"

    def protocols(self) -> tuple[Protocol, ...]:
        """List the protocols; `semi-synthetic` is the default."""
        splits = ("test", "validation", "train")
        return (
            Protocol(
                PAIRS,
                "pairs of views of one simulated head, the settings of the fDNC paper",
                "m_pair",
                splits,
                (
                    Published("fDNC", "m_pair", 0.965, _YU, "2000 pairs"),
                    Published("CPD", "m_pair", 0.311, _YU, "2000 pairs"),
                ),
            ),
            Protocol(
                RECORDING,
                "one simulated head through time: its first volume against every other",
                "m_pair",
                splits,
            ),
        )

    def expected_cases(self, protocol: str, split: str) -> int:
        """Say how many cases there are without a limit."""
        return self.config.pairs if protocol == PAIRS else self.config.volumes - 1

    def cases(self, protocol: str, split: str, data_dir: Path | None) -> Iterator[Case]:
        """Simulate the cases one by one."""
        if protocol == RECORDING:
            return self._recording(split)
        return self._pairs(split)

    def _pairs(self, split: str) -> Iterator[Case]:
        from trackbench.datasets.semisynthetic.shape import load_shapes

        shapes = load_shapes()
        for number in evenly(range(self.config.pairs), self.config.limit):
            seed = FIRST_SEED[split] + number
            template, test = _pair(shapes, seed, self.config.neurons)
            yield make_case(f"pair-{seed}", (template,), test, protocol=PAIRS, split=split)

    def _recording(self, split: str) -> Iterator[Case]:
        from trackbench.datasets.semisynthetic.recording import RecordingConfig, record
        from trackbench.datasets.semisynthetic.shape import load_shapes

        config = RecordingConfig(volumes=self.config.volumes, neurons=self.config.neurons)
        volumes = record(load_shapes(), config, seed=FIRST_SEED[split])
        for test in evenly(volumes[1:], self.config.limit):
            yield make_case(test.id, volumes[:1], test, protocol=RECORDING, split=split)


def _pair(shapes: ShapeAtlas, seed: int, neurons: int) -> tuple[PointCloud, PointCloud]:
    import torch

    from trackbench.datasets.semisynthetic.yu2021 import simulate_yu2021

    points, names = shapes.draw_head(np.random.default_rng(seed), neurons)
    head = torch.as_tensor(points[None], dtype=torch.float32)
    generator = torch.Generator().manual_seed(seed)
    views = simulate_yu2021(head, torch.ones(head.shape[:2], dtype=torch.bool), generator, 2)
    animal = f"simulated-{seed}"
    template, test = (
        _cloud(views.zyx_um[v, 0].numpy(), views.neuron[v, 0].numpy(), names, animal, v)
        for v in (0, 1)
    )
    return template, test


def _cloud(
    zyx_um: np.ndarray, neuron: np.ndarray, names: tuple[str, ...], animal: str, view: int
) -> PointCloud:
    there = neuron > -2
    labels = tuple(names[i] if i >= 0 else "" for i in neuron[there])
    # simulated views keep the anatomy's handedness
    return PointCloud(
        zyx_um[there], names=labels, id=f"{animal}-{view}", animal=animal, mirrored=False
    )


@hookimpl
def trackbench_datasets() -> list[type[Dataset[SemiSyntheticConfig]]]:
    """Give the dataset."""
    return [SemiSynthetic]
