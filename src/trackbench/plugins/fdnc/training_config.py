"""The config file of a training run: everything that the weights depend on."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from trackbench.datasets.semisynthetic.config import SimulatorConfig

SHIPPED_CONFIG = Path(__file__).with_name("configs") / "shipped.toml"
"""The run that made the weights in the package."""


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class NetworkSection(_Section):
    """Sizes of the matching network."""

    width: int = Field(default=128, ge=24)
    layers: int = Field(default=6, ge=1)
    heads: int = Field(default=4, ge=1)
    feed_forward: int = Field(default=384, ge=8)
    deep: tuple[int, ...] = Field(
        default=(3,), description="blocks whose tokens are scored as well"
    )


class PoseErrorSection(_Section):
    """How far the pose that the matching network is trained on is from the anatomical one."""

    roll: float = Field(default=0.25, description="standard deviation of the roll, radians")
    any_roll: float = Field(default=0.15, description="share of views with any roll at all")
    flip: float = Field(default=0.03, description="share of views with head and tail exchanged")
    tilt: float = Field(
        default=0.1, description="standard deviation of the other two angles, radians"
    )


class PoseSection(_Section):
    """The pose network's own training."""

    steps: int = Field(default=4000, ge=0, description="0: untrained, as in a sweep")
    batch: int = 64
    simulator: SimulatorConfig = SimulatorConfig()
    learning_rate: float = 3e-3
    average: float = Field(
        default=0.003, description="share of the new weights in the moving average"
    )


class LateSection(_Section):
    """A second simulator, for the rest of the matching network's training."""

    step: int = Field(default=0, ge=0, description="the first step that uses it")
    simulator: SimulatorConfig = SimulatorConfig()


class TrainingConfig(_Section):
    """One training run, read from TOML by `core.config_file`."""

    seed: int = 0
    steps: int = Field(default=20000, ge=1)
    groups: int = Field(default=8, ge=1, description="templates a step")
    tests: int = Field(default=4, ge=1, description="tests a template")
    learning_rate: float = Field(default=2e-3, description="of vectors and embeddings (AdamW)")
    matrix_learning_rate: float = Field(default=0.01, description="of the blocks' matrices (Muon)")
    weight_decay: float = 0.01
    warm_up: int = Field(default=200, description="steps")
    decay: int = Field(
        default=1200, description="steps at the end in which the learning rate falls"
    )
    average: float = Field(
        default=0.002, description="share of the new weights in the moving average"
    )
    deep_weight: float = Field(
        default=0.3, description="of the intermediate correspondences in the loss"
    )
    name_weight: float = Field(default=0.1, description="of naming the neurons in the loss")
    smoothing: float = 0.0
    network: NetworkSection = NetworkSection()
    simulator: SimulatorConfig = SimulatorConfig()
    late: LateSection | None = None
    pose_error: PoseErrorSection = PoseErrorSection()
    pose: PoseSection = PoseSection()
