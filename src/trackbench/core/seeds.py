"""Random numbers that depend on what they are for, not on when they are drawn.

A seed is derived from content (the plan's seed, a case, two clouds), so the same question gets
the same answer whichever process asks it and however the work was batched.
"""

from __future__ import annotations

import numpy as np

from trackbench.core.keys import content_key

__all__ = ["derive_seed", "generator"]


def derive_seed(*parts: object) -> int:
    """Derive a 63-bit seed from anything that has a content key."""
    return int(content_key("seed", *parts)[:16], 16) >> 1


def generator(*parts: object) -> np.random.Generator:
    """Make a generator seeded from anything that has a content key."""
    return np.random.default_rng(derive_seed(*parts))
