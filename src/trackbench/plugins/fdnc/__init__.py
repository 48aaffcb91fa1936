"""A transformer that matches two point clouds by position, trained on simulated worms.

After Yu et al. 2021 (fDNC, eLife 10:e66410): `published` is their network. The one that is
shipped differs: a pose network turns every worm into the anatomical frame first; attention is
rotary, pre-norm and one-directional, so that a template is encoded once; absence is supervised
on both sides; both directions of the scores are joined and refined by a smooth map. Where the
match is in doubt, it looks again: at the test laid onto the template, then at other poses.
Native kernels compute it on processors that can run them, torch and numpy elsewhere.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from trackbench.core.hookspecs import hookimpl
from trackbench.plugins.fdnc.config import FdncConfig
from trackbench.plugins.fdnc.matcher import FdncMatcher

if TYPE_CHECKING:
    from trackbench.core.plugin import Matcher

__all__ = ["FdncConfig", "FdncMatcher"]

TRACKBENCH_API = 1


@hookimpl
def trackbench_matchers() -> list[type[Matcher[Any]]]:
    """Give `fdnc`."""
    return [FdncMatcher]
