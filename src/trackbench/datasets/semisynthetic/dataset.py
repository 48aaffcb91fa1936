"""The dataset `semi-synthetic`: simulated worms with known truth, no files needed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pydantic import Field

from trackbench.core.hookspecs import hookimpl
from trackbench.core.plugin import Dataset, DatasetConfig, Protocol, Published
from trackbench.datasets.cases import make_case
from trackbench.datasets.selection import evenly

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from trackbench.core.types import Case

__all__ = ["SemiSynthetic", "SemiSyntheticConfig"]

TRACKBENCH_API = 1

FIRST_SEED: Final = {"test": 2_000_000, "validation": 1_000_000, "train": 0}
"""Each pair has a seed of its own; the splits never share one."""

_YU: Final = "Yu et al. 2021, eLife 10:e66410, Results (semi-synthetic data)"
PAIRS: Final = "semi-synthetic"
RECORDING: Final = "semi-synthetic-recording"
IMAGES: Final = "semi-synthetic-images"
VOLUMES_A_WORM: Final = 4
"""Test volumes of one simulated image recording: the others are other worms."""


class SemiSyntheticConfig(DatasetConfig):
    """Parameters of `semi-synthetic`."""

    pairs: int = Field(default=2000, ge=1, le=1_000_000, description="pairs of simulated worms")
    neurons: int = Field(default=120, ge=8, le=160, description="neurons a head")
    volumes: int = Field(
        default=200, ge=2, le=100_000, description="volumes of the simulated recording"
    )
    images: int = Field(
        default=20, ge=1, le=10_000, description="image volumes, four of each simulated worm"
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
                    Published(
                        "fDNC",
                        "m_pair",
                        0.965,
                        _YU,
                        "2000 pairs bent by recorded centrelines: not the same worms",
                    ),
                    Published(
                        "CPD",
                        "m_pair",
                        0.311,
                        _YU,
                        "2000 pairs bent by recorded centrelines: not the same worms",
                    ),
                ),
            ),
            Protocol(
                RECORDING,
                "one simulated head through time: its first volume against every other",
                "m_pair",
                splits,
            ),
            Protocol(
                IMAGES,
                "images of simulated heads: the first volume's neurons against later volumes; "
                "given points are the truth itself, an oracle, but not those of a segmenter",
                "m_pair",
                splits,
            ),
        )

    def expected_cases(self, protocol: str, split: str) -> int:
        """Say how many cases there are without a limit."""
        counts = {PAIRS: self.config.pairs, IMAGES: self.config.images}
        return counts.get(protocol, self.config.volumes - 1)

    def cases(self, protocol: str, split: str, data_dir: Path | None) -> Iterator[Case]:
        """Simulate the cases one by one."""
        if protocol == RECORDING:
            return self._recording(split)
        return self._images(split) if protocol == IMAGES else self._pairs(split)

    def _pairs(self, split: str) -> Iterator[Case]:
        from trackbench.datasets.semisynthetic.pairs import simulated_pair
        from trackbench.datasets.semisynthetic.shape import load_shapes

        shapes = load_shapes()
        for number in evenly(range(self.config.pairs), self.config.limit):
            seed = FIRST_SEED[split] + number
            template, test = simulated_pair(shapes, seed, self.config.neurons)
            yield make_case(f"pair-{seed}", (template,), test, protocol=PAIRS, split=split)

    def _recording(self, split: str) -> Iterator[Case]:
        from trackbench.datasets.semisynthetic.recording import RecordingConfig, record
        from trackbench.datasets.semisynthetic.shape import load_shapes

        config = RecordingConfig(volumes=self.config.volumes, neurons=self.config.neurons)
        volumes = record(load_shapes(), config, seed=FIRST_SEED[split])
        for test in evenly(volumes[1:], self.config.limit):
            yield make_case(test.id, volumes[:1], test, protocol=RECORDING, split=split)

    def _images(self, split: str) -> Iterator[Case]:
        from trackbench.datasets.semisynthetic.image_config import ImageConfig
        from trackbench.datasets.semisynthetic.images import simulate_images
        from trackbench.datasets.semisynthetic.shape import load_shapes

        shapes = load_shapes()
        last = self.config.volumes - 1
        config = ImageConfig(volumes=self.config.volumes, neurons=self.config.neurons)
        for number in evenly(range(self.config.images), self.config.limit):
            worm, turn = divmod(number, VOLUMES_A_WORM)
            recording = simulate_images(shapes, config, FIRST_SEED[split] + worm)
            t = max(1, round((turn + 1) * last / VOLUMES_A_WORM))
            test = recording.points(t)
            yield make_case(
                f"{test.id}-{turn}",
                (recording.points(0),),
                test,
                protocol=IMAGES,
                split=split,
                volume=recording.volume(t),
                oracle=True,
                complete=True,
            )


@hookimpl
def trackbench_datasets() -> list[type[Dataset[SemiSyntheticConfig]]]:
    """Give the dataset."""
    return [SemiSynthetic]
