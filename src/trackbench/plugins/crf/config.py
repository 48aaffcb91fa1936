"""Parameters of `crf`."""

from __future__ import annotations

from pydantic import Field

from trackbench.core.alignment_config import AlignmentConfig

__all__ = ["CrfConfig"]


class CrfConfig(AlignmentConfig):
    """Parameters of `crf`."""

    neighbours: int = Field(
        default=5, ge=0, le=100, description="nearest neurons that each neuron is joined with"
    )
    candidates: int = Field(default=12, ge=1, le=100, description="names kept for each neuron")
    coupling: float = Field(
        default=0.5, ge=0, le=10, description="factor of what neighbours say of each other"
    )
    steps: int = Field(default=15, ge=0, le=1000, description="rounds of belief propagation")
