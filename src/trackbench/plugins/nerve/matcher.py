"""The matcher `nerve`: one registration of a template onto each test."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from pydantic import Field

from trackbench.core.plugin import Config, Matcher
from trackbench.core.types import Match
from trackbench.plugins.nerve.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from trackbench.core.types import PointCloud

__all__ = ["NerveConfig", "NerveMatcher"]

BATCH = 64
"""Pairs registered at once: enough to hide the cost of a call, few enough for the cache."""

LOWEST_LOG_P = -60.0


class NerveConfig(Config):
    """Parameters of the matcher `nerve`."""

    rolls: int = Field(
        default=1,
        ge=1,
        le=72,
        description="starting poses about the long axis; 1 where all volumes are seen from the "
        "same side, as in one recording",
    )
    modes: int = Field(default=20, ge=0, le=200, description="bending modes of the thin plate")
    stiffness: float = Field(
        default=3.0, gt=0, le=1e6, description="weight of the plate's bending energy"
    )
    outliers: float = Field(
        default=0.1, gt=0, lt=1, description="prior share of test neurons without partner"
    )
    width_um: float = Field(
        default=2.0, gt=0, le=50, description="expected distance of partners after registration"
    )
    gate_um: float = Field(
        default=12.0, gt=0, le=1000, description="partners are never further apart than this"
    )

    def settings(self) -> Settings:
        """Give the settings of a registration."""
        return Settings(**self.model_dump())


class NerveMatcher(Matcher[NerveConfig]):
    """Bends one template onto each test and compares positions.

    The single-template registration of NeRVE: Gaussians on the template's neurons, a thin plate
    that bends them, wide to narrow. Pose is settled by likelihood over a few starts.
    """

    name = "nerve"
    Config: ClassVar[type[Config]] = NerveConfig
    cite = "Nguyen et al. 2017, PLoS Comput. Biol. 13(5): e1005517"

    def prepare(self, template: PointCloud) -> Any:
        """Find the template's bending modes."""
        from trackbench.plugins.nerve.bending import bendable
        from trackbench.plugins.nerve.frames import body_frame

        return template.id, bendable(body_frame(template.zyx_um), self.config.modes)

    def match(self, prepared: Any, tests: Sequence[PointCloud]) -> list[Match]:
        """Register the template onto all tests at once."""
        return [
            match
            for start in range(0, len(tests), BATCH)
            for match in self._match_batch(prepared, tests[start : start + BATCH])
        ]

    def _match_batch(self, prepared: Any, tests: Sequence[PointCloud]) -> list[Match]:
        from trackbench.plugins.nerve.frames import body_frame, pad
        from trackbench.plugins.nerve.registration import posterior, register

        template_id, template = prepared
        settings = self.config.settings()
        points, real = pad([body_frame(test.zyx_um) for test in tests])
        if template.points.shape[1] and points.shape[1]:
            fit = register(template, points, real, settings)
            log_p = posterior(template, fit, settings).numpy()
        else:
            log_p = np.zeros((len(tests), points.shape[1], template.points.shape[1] + 1))
        return [
            Match.from_scores(np.maximum(table[: len(test)], LOWEST_LOG_P), template_id, test.id)
            for table, test in zip(log_p, tests, strict=True)
        ]
