"""Parameters of `cpd`."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from trackbench.core.plugin import Config

__all__ = ["CpdConfig"]


class CpdConfig(Config):
    """Parameters of `cpd`; lengths in µm.

    The defaults were chosen on volumes 1-200 of nguyen2017 and on pairs of training and
    validation worms of WormND.
    """

    preset: Literal["tuned", "yu2021"] = Field(
        default="tuned",
        description="yu2021: the published baseline, its own settings and hard assignment; every "
        "other field is then unused",
    )
    w: float = Field(
        default=0.05, gt=0, lt=1, description="share of test neurons without partner (outliers)"
    )
    turns: int = Field(
        default=8, ge=0, le=64, description="starts turned in the plane of the image"
    )
    rolls: int = Field(
        default=4,
        ge=0,
        le=32,
        description="starts rolled about the long axis, for each of the two head directions",
    )
    keep: int = Field(
        default=12,
        ge=1,
        le=64,
        description="different poses that reach the non-rigid step, by likelihood",
    )
    start_sigma: float = Field(
        default=10.0, gt=0, le=200, description="width of the correspondence at the start in µm"
    )
    rigid_sigma: float = Field(
        default=5.0, gt=0, le=200, description="width at which rigid ends and non-rigid begins"
    )
    end_sigma: float = Field(default=1.7, gt=0, le=200, description="width at the end in µm")
    rigid_steps: int = Field(default=6, ge=1, le=1000, description="iterations of a pose")
    bend_steps: int = Field(default=45, ge=0, le=1000, description="non-rigid iterations")
    beta: float = Field(
        default=25.0, gt=0, le=1000, description="distance over which neurons move together in µm"
    )
    bend: float = Field(
        default=5.0, ge=0, le=1000, description="standard deviation of that movement in µm"
    )
    detail: float = Field(
        default=2.5,
        ge=0,
        le=1000,
        description="standard deviation of the movement at half the distance `beta`, in µm",
    )
    stretch: float = Field(
        default=0.0,
        ge=0,
        le=10,
        description="standard deviation of the entries of an affine part (0 = none)",
    )
    exclusion: int = Field(
        default=1,
        ge=0,
        le=100,
        description="Sinkhorn rounds by which test neurons compete for a template neuron",
    )
    temperature: float = Field(
        default=1.5,
        gt=0,
        le=100,
        description="divides the log-odds at the end: posteriors of registration are too sure "
        "between animals (1 is calibrated within one)",
    )
