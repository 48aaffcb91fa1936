"""The labeler: loads the shipped networks and reads worms with them."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final

import numpy as np
from pydantic import Field

from trackbench.core.plugin import Config, Labeler, LabelerConfig
from trackbench.core.types import Evidence
from trackbench.core.weights import load_weights
from trackbench.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from trackbench.core.types import Match, PointCloud
    from trackbench.plugins.identity.ensemble import Ensemble

__all__ = ["IdentityConfig", "IdentityLabeler"]

SHIPPED: Final = Path(__file__).parent / "weights" / "identity.safetensors"
KIND: Final = "identity"
VERSION: Final = 3
FEWEST_POINTS: Final = 4
"""Fewer neurons have no principal axes: nothing is said of them."""


class IdentityConfig(LabelerConfig):
    """Parameters of `identity`."""

    weights: Path | None = Field(
        default=None, description="weights file; the shipped one where absent"
    )
    rolls: int = Field(default=6, ge=1, le=64, description="rolls tried about the long axis")
    kept: int = Field(default=3, ge=1, le=64, description="poses that are refined")
    rounds: int = Field(default=3, ge=1, le=10, description="rounds of {predict, fit to the atlas}")


class IdentityLabeler(Labeler[IdentityConfig]):
    """Names neurons by an ensemble of set transformers over points and colors.

    Templates are not used: what the networks know, they learned from train worms. Rotation,
    roll and head direction are found; handedness is taken from the recording, or found where
    the recording doesn't say: both are read, and mixed by how probable the networks and the
    asymmetric neurons make each.
    """

    name = "identity"
    Config: ClassVar[type[Config]] = IdentityConfig
    uses_matches = False
    cite = "trackbench; rotary attention: Su et al. 2021, arXiv:2104.09864"

    @property
    def trained_on(self) -> frozenset[str]:
        """Keys of the train worms."""
        return self._ensemble().trained_on

    def fit(self, references: Sequence[PointCloud]) -> Ensemble:
        """Load the networks; the references are not looked at."""
        return self._ensemble()

    def evidence(self, fitted: Any, test: PointCloud, matches: Sequence[Match]) -> Evidence:
        """Read one worm."""
        ensemble: Ensemble = fitted
        if len(test) < FEWEST_POINTS:
            columns = len(ensemble.names) + 1
            flat = np.full((len(test), columns), -np.log(columns), dtype=np.float32)
            return Evidence(ensemble.names, flat)
        # The rows go in sorted, so that rounding does not depend on their order.
        order = np.lexsort(test.zyx_um.T)
        log_p = ensemble.read(test.take(order), self.config)
        table = np.empty_like(log_p)
        table[order] = log_p
        return Evidence(ensemble.names, table)

    def _ensemble(self) -> Ensemble:
        return _load(self.config.weights or SHIPPED)


@lru_cache(maxsize=4)
def _load(path: Path) -> Ensemble:
    from trackbench.plugins.identity.ensemble import Ensemble, has_asymmetry

    weights = load_weights(path, kind=KIND, version=VERSION, framework="torch")
    if not has_asymmetry(weights):
        raise InputError(
            f"{path}: weights of an older layout, without the asymmetry of heads",
            f"run: trackbench train identity --recalibrate {path} --out FOLDER",
        )
    return Ensemble.from_weights(weights)
