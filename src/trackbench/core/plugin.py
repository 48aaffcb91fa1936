"""What a plugin is: a name, a frozen config, and one method or two.

A whole matcher::

    from trackbench.core.plugin import PairwiseMatcher
    from trackbench.core.types import Match

    class Nearest(PairwiseMatcher):
        name = "nearest"

        def match_pair(self, template, test):
            distance = ((test.zyx_um[:, None] - template.zyx_um[None]) ** 2).sum(axis=2)
            return Match.from_pairs(enumerate(distance.argmin(axis=1)), *distance.shape)

A plugin sees inputs, its config and a seeded generator, nothing else: no truth, no files, no
clock. Methods are pure: the same inputs give the same answer, however they were batched.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Final, Generic, NamedTuple, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from trackbench.core.seeds import generator

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    import numpy as np

    from trackbench.core.types import Case, Evidence, Match, PointCloud, Volume

__all__ = [
    "API_VERSION",
    "Backend",
    "Config",
    "Dataset",
    "DatasetConfig",
    "Labeler",
    "LabelerConfig",
    "Matcher",
    "PairwiseMatcher",
    "Plugin",
    "Protocol",
    "Published",
    "Segmenter",
]

API_VERSION: Final = 1
"""Version of these interfaces. A plugin module may state `TRACKBENCH_API = 1`; another number
is refused with one line instead of failing somewhere in the middle."""


class Config(BaseModel):
    """Base of all plugin configs: frozen, no unknown fields, every field described."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


ConfigT = TypeVar("ConfigT", bound=Config)
"""The config of a plugin class."""


class Backend(NamedTuple):
    """What computes a plugin on this machine, for one that has several ways to the same answers.

    Parameters
    ----------
    name : str
        Results are kept apart by it: it decides the time that they take and their last digits.
    why : str
        Why it isn't a faster one, and the mend; "" where there is nothing to say.
    """

    name: str = ""
    why: str = ""

    def __str__(self) -> str:
        return f"{self.name} ({self.why})" if self.why else self.name


class Plugin(ABC, Generic[ConfigT]):
    """Base of segmenters, matchers, labelers and datasets.

    Parameters
    ----------
    config : Config, optional
        An instance of the class's `Config`; its defaults where absent.
    seed : int
        The plan's seed; see `rng`.
    """

    name: ClassVar[str]
    """What users type. Lower-case letters, digits and hyphens."""

    Config: ClassVar[type[Config]] = Config
    """The pydantic class of the plugin's parameters."""

    requires: ClassVar[frozenset[str]] = frozenset()
    """Any of "color", "labels" (named templates), "images", "truth" (an oracle: never in a
    headline). A case that lacks one is skipped with the reason."""

    cite: ClassVar[str] = ""
    """The paper to cite."""

    expected_failures: ClassVar[Mapping[str, str]] = MappingProxyType({})
    """Conformance checks (`trackbench check`) that the plugin fails by design, and why."""

    config: ConfigT

    def __init__(self, config: ConfigT | None = None, seed: int = 0) -> None:
        self.config = config if config is not None else self.Config()  # type: ignore[assignment]
        self.seed = seed

    @property
    def trained_on(self) -> frozenset[str]:
        """Keys (`core.keys.animal_key`) of the worms that the plugin's weights saw."""
        return frozenset()

    @property
    def backend(self) -> Backend:
        """What computes on this machine; of the same name, and empty, wherever there is one way."""
        return Backend()

    def supports(self, case: Case) -> str | None:
        """Say why the plugin can't work on a case, or None where it can."""
        return None

    def rng(self, *parts: object) -> np.random.Generator:
        """Make a generator that depends on the plan's seed and the content of `parts` alone."""
        return generator(self.seed, self.name, *parts)


class Segmenter(Plugin[ConfigT]):
    """Finds the neurons of a volume."""

    requires: ClassVar[frozenset[str]] = frozenset({"images"})

    @abstractmethod
    def segment(self, volume: Volume) -> PointCloud:
        """Find the neurons: positions in µm (voxel index times pitch), color where it applies."""


class Matcher(Plugin[ConfigT]):
    """Says which test neuron is which template neuron.

    Templates and tests come without names unless the class `requires` labels.
    """

    def prepare(self, template: PointCloud) -> Any:
        """Do once what depends on the template alone; cached by content."""
        return template

    @abstractmethod
    def match(self, prepared: Any, tests: Sequence[PointCloud]) -> list[Match]:
        """Match a batch of tests against one prepared template: one `Match` a test, in order."""


class PairwiseMatcher(Matcher[ConfigT]):
    """A matcher for authors who think in pairs: write `match_pair` and nothing else."""

    @abstractmethod
    def match_pair(self, template: PointCloud, test: PointCloud) -> Match:
        """Match one test to one template."""

    def match(self, prepared: Any, tests: Sequence[PointCloud]) -> list[Match]:
        """Match tests one after another."""
        return [self.match_pair(prepared, test) for test in tests]


class LabelerConfig(Config):
    """Base of labeler configs."""

    weight: float = Field(
        default=1.0, ge=0, le=1000, description="factor of this table when tables are added"
    )


class Labeler(Plugin[ConfigT]):
    """Gives each neuron of a test a table over names."""

    Config: ClassVar[type[Config]] = LabelerConfig

    uses_matches: ClassVar[bool] = True
    """Whether `evidence` needs one match per reference. If not, no matcher is run for it."""

    def fit(self, references: Sequence[PointCloud]) -> Any:
        """Learn what depends on the named references alone; cached by content."""
        return tuple(references)

    @abstractmethod
    def evidence(self, fitted: Any, test: PointCloud, matches: Sequence[Match]) -> Evidence:
        """Make the table of one test; `matches` stand in the order of the references."""


@dataclass(frozen=True)
class Published:
    """One number from the literature, to stand beside ours."""

    method: str
    metric: str
    value: float
    source: str
    note: str = ""


@dataclass(frozen=True)
class Protocol:
    """One way to score: which cases, what a method is given, which metric is the headline.

    Parameters
    ----------
    name : str
        What users type after `--protocol`.
    description : str
        One line: the cases and what is given.
    metric : str
        Headline metric, a key of `benchmarks.metrics`.
    splits : tuple of str
        What `--split` may be; the first is the default.
    published : tuple of Published
    """

    name: str
    description: str
    metric: str
    splits: tuple[str, ...] = ("test",)
    published: tuple[Published, ...] = ()


class DatasetConfig(Config):
    """Base of dataset configs."""

    limit: int | None = Field(
        default=None, ge=1, description="use this many cases, spread evenly (None = all)"
    )


class Dataset(Plugin[ConfigT]):
    """Gives cases by protocol and split. The only kind of plugin that reads files."""

    Config: ClassVar[type[Config]] = DatasetConfig

    @abstractmethod
    def protocols(self) -> tuple[Protocol, ...]:
        """List the protocols; the first is the default."""

    @abstractmethod
    def cases(self, protocol: str, split: str, data_dir: Path | None) -> Iterable[Case]:
        """Give the cases of a protocol in a fixed order.

        Parameters
        ----------
        protocol, split : str
            One of `protocols` and one of its splits.
        data_dir : Path, optional
            The folder that holds the folder `source(protocol)`; None for a dataset that is
            generated.

        Raises
        ------
        InputError
            A file that can't be used.
        """

    def expected_cases(self, protocol: str, split: str) -> int | None:
        """Say how many cases the complete public dataset has, None where it has no end."""
        return None

    def source(self, protocol: str) -> str | None:
        """Name the section of the download registry that a protocol reads; None if generated.

        The `data_dir` given to `cases` is the folder that holds a folder of this name.
        """
        return None
