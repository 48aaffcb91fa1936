"""trackbench: interchangeable neuron matchers and a benchmark harness that people can trust.

The public names that a notebook or a plugin needs. Importing them loads neither torch nor pandas.
"""

from trackbench.core.hookspecs import hookimpl
from trackbench.core.plugin import (
    Config,
    Dataset,
    DatasetConfig,
    Labeler,
    LabelerConfig,
    Matcher,
    PairwiseMatcher,
    Protocol,
    Published,
    Segmenter,
)
from trackbench.core.types import (
    Case,
    Evidence,
    Labels,
    Match,
    PointCloud,
    Truth,
    Volume,
)

__version__ = "0.1.0"

__all__ = [
    "Case",
    "Config",
    "Dataset",
    "DatasetConfig",
    "Evidence",
    "Labeler",
    "LabelerConfig",
    "Labels",
    "Match",
    "Matcher",
    "PairwiseMatcher",
    "PointCloud",
    "Protocol",
    "Published",
    "Segmenter",
    "Truth",
    "Volume",
    "__version__",
    "hookimpl",
]
