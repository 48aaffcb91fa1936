"""The simulator: worms, views of worms and recordings with known truth, seeded and in batches."""

from trackbench.datasets.semisynthetic.bank import WormBank
from trackbench.datasets.semisynthetic.config import SIMULATOR_VERSION, SimulatorConfig
from trackbench.datasets.semisynthetic.simulate import SimulatedBatch, simulate
from trackbench.datasets.semisynthetic.worms import LabeledWorm, read_worms, to_anatomical_frame

__all__ = [
    "SIMULATOR_VERSION",
    "LabeledWorm",
    "SimulatedBatch",
    "SimulatorConfig",
    "WormBank",
    "read_worms",
    "simulate",
    "to_anatomical_frame",
]
