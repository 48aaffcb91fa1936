"""The protocols of the `neuropal` dataset, with what has been published on them."""

from __future__ import annotations

from typing import Final

from trackbench.core.plugin import Protocol, Published

__all__ = ["EXPECTED_CASES", "FIVE_FOLDS", "HANDEDNESS_GIVEN", "PROTOCOLS"]

_YU: Final = "Yu et al. 2021, eLife 10:e66410"
_WORMND: Final = "WormND, summary_acc_ID.csv: mean of 94 worms"

_ON_CHAUDHARY: Final = (
    Published("fDNC", "m_pair", 0.782, f"{_YU}, Table 2", "8 pairs, one template"),
    Published("fDNC", "top3", 0.913, f"{_YU}, Fig. 4F", "8 pairs, one template"),
    Published("CPD", "m_pair", 0.589, f"{_YU}, Table 2", "8 pairs; flipped by an oracle"),
    Published("CRF, data-driven atlas", "m_pair", 0.74, f"{_YU}, Table 2", "9 worms"),
    Published("CRF, open atlas", "m_pair", 0.40, f"{_YU}, Table 2", "9 worms"),
)
_ON_WORMND: Final = (
    Published("CRF, retrained", "m_test", 0.738, _WORMND, "5 folds"),
    Published(
        "StatAtlas, retrained", "m_test", 0.622, _WORMND, "label-fitted coordinates; 5 folds"
    ),
    Published("CRF", "m_test", 0.555, _WORMND),
    Published("fDNC", "m_all", 0.462, _WORMND, "blanks counted; same-lab template, lowest cost"),
    Published("StatAtlas", "m_test", 0.407, _WORMND, "label-fitted coordinates"),
    Published("CPD", "m_test", 0.386, _WORMND, "label-fitted coordinates, best of all templates"),
)
_LEARNED_SPLITS: Final = ("test", "validation", "train")
_SCORED: Final = "each scored worm against all train worms (own lab first)"

LEARNED_PROTOCOLS: Final = (
    Protocol(
        "wormnd",
        f"{_SCORED}; positions and color, handedness given",
        "m_test",
        _LEARNED_SPLITS,
        _ON_WORMND,
    ),
    Protocol(
        "wormnd-blind",
        f"{_SCORED}; positions and color, handedness of the test not given",
        "m_test",
        _LEARNED_SPLITS,
    ),
    Protocol(
        "wormnd-position",
        f"{_SCORED}; positions only, handedness given",
        "m_test",
        _LEARNED_SPLITS,
    ),
)

FIVE_FOLDS: Final = Protocol(
    "wormnd-5fold",
    "each scored worm against all worms of the other folds (own lab first), as published; "
    "positions and color, handedness given",
    "m_test",
    ("all",),
    _ON_WORMND,
)

PROTOCOLS: Final = (
    Protocol(
        "chaudhary",
        "every ordered pair of the nine HL worms; positions only",
        "m_pair",
        published=_ON_CHAUDHARY,
    ),
    Protocol(
        "chaudhary-8",
        "the HL worm with most names as template of the others; positions only",
        "m_pair",
        published=_ON_CHAUDHARY,
    ),
    *LEARNED_PROTOCOLS,
    FIVE_FOLDS,
    Protocol(
        "fdnc-example",
        "the pair of worms that fDNC ships; positions and color",
        "m_pair",
        published=(
            Published("fDNC with color", "m_pair", 38 / 48, f"{_YU}, example of the code"),
            Published("CPD", "m_pair", 28 / 48, f"{_YU}, settings of the code", "re-run"),
        ),
    ),
)

HANDEDNESS_GIVEN: Final = frozenset({"wormnd", "wormnd-position", FIVE_FOLDS.name})

EXPECTED_CASES: Final = {
    ("chaudhary", "test"): 72,
    ("chaudhary-8", "test"): 8,
    ("fdnc-example", "test"): 1,
    (FIVE_FOLDS.name, "all"): 94,
    **{
        (protocol.name, split): count
        for protocol in LEARNED_PROTOCOLS
        for split, count in (("test", 46), ("validation", 12), ("train", 46))
    },
}
"""How many cases the complete public data gives."""
