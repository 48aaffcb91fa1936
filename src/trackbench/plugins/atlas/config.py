"""Parameters of `atlas`."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003  pydantic reads the annotation
from typing import Literal

from pydantic import Field

from trackbench.core.alignment_config import AlignmentConfig

__all__ = ["AtlasConfig"]


class AtlasConfig(AlignmentConfig):
    """Parameters of `atlas`."""

    weights: Path | None = Field(
        default=None, description="weights file; the shipped atlas where absent"
    )
    variant: Literal["likelihood", "statatlas"] = Field(
        default="likelihood",
        description="the shipped atlas, aligned without names; or the published statistical atlas: "
        "fitted to the references, positions as they are, Mahalanobis distance",
    )
