"""The labeler `nerve`: names a volume by many volumes of the same recording."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from pydantic import Field

from trackbench.core.evidence import normalise_rows
from trackbench.core.plugin import Labeler, LabelerConfig
from trackbench.core.types import Evidence
from trackbench.plugins.nerve.settings import LEAST, Settings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from trackbench.core.plugin import Config
    from trackbench.core.types import Match, PointCloud
    from trackbench.plugins.nerve.recording import Recording

__all__ = ["NerveLabeler", "NerveLabelerConfig"]


class NerveLabelerConfig(LabelerConfig):
    """Parameters of the labeler `nerve`."""

    voters: int = Field(
        default=30, ge=1, le=10_000, description="volumes that vote: those of nearest posture"
    )
    rounds: int = Field(
        default=3, ge=0, le=100, description="how often the volumes name each other"
    )
    outliers: float = Field(
        default=0.3, gt=0, lt=1, description="prior share of neurons without partner"
    )
    correction: float = Field(
        default=0.0,
        ge=0,
        le=10,
        description="weight of where all other neurons predict a neuron; 0 = the votes alone",
    )
    prefer_named: float = Field(
        default=3.0,
        ge=0,
        le=50,
        description="log-odds by which a named neuron is preferred to an unnamed one",
    )
    width_um: float = Field(
        default=0.6, gt=0, le=50, description="expected distance of partners after registration"
    )
    gate_um: float = Field(
        default=12.0, gt=0, le=1000, description="partners are never further apart than this"
    )
    rolls: int = Field(default=1, ge=1, le=72, description="starting poses about the long axis")


class NerveLabeler(Labeler[NerveLabelerConfig]):
    """Registers many volumes of one recording onto the test and lets them vote.

    Neuron registration vector encoding for volumes that are unlabeled but for one (or a few):
    every volume is related to the labeled one once, then named by the volumes of nearest posture,
    in a few rounds. A test is registered to the volumes of nearest posture, and each says which
    of the labeled volume's neurons its own neurons are. It works within one worm.
    """

    name = "nerve"
    Config: ClassVar[type[Config]] = NerveLabelerConfig
    uses_matches = False
    cite = "Nguyen et al. 2017, PLoS Comput. Biol. 13(5): e1005517"

    @property
    def _settings(self) -> Settings:
        config = self.config
        return Settings(
            rolls=config.rolls,
            outliers=config.outliers,
            width_um=config.width_um,
            gate_um=config.gate_um,
            voters=config.voters,
            rounds=config.rounds,
            prefer_named=config.prefer_named,
        )

    def fit(self, references: Sequence[PointCloud]) -> Recording:
        """Relate all volumes to the one with most names."""
        from trackbench.plugins.nerve.recording import learn

        return learn(references, self._settings)

    def evidence(self, fitted: Any, test: PointCloud, matches: Sequence[Match]) -> Evidence:
        """Let the volumes of nearest posture vote."""
        import torch

        from trackbench.plugins.nerve.frames import body_frame
        from trackbench.plugins.nerve.recording import vote

        recording: Recording = fitted
        if not len(test):
            return Evidence(recording.names, np.zeros((0, len(recording.names) + 1), np.float32))
        points = torch.as_tensor(body_frame(test.zyx_um), dtype=torch.float32)
        config = self.config
        p = vote(recording, points, config.correction, self._settings)
        log_p = normalise_rows(np.log(p + LEAST))
        return Evidence(recording.names, log_p, self.config.prefer_named)
