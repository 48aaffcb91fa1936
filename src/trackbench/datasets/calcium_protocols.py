"""The protocols of the `calcium` dataset, with what has been published on them."""

from __future__ import annotations

from typing import Final

from trackbench.core.plugin import Protocol, Published

__all__ = ["PROTOCOLS"]

_YU: Final = "Yu et al. 2021, eLife 10:e66410, Fig. 3C"
_PUBLISHED_VOLUMES: Final = "1514 volumes"
_RE_RUN: Final = "rigid, then non-rigid CPD; z three times x and y"

PROTOCOLS: Final = (
    Protocol(
        "nguyen2017",
        "one moving worm: volume 663 as template of every other volume; positions only",
        "m_pair",
        ("test", "validation"),
        (
            Published("fDNC", "m_pair", 0.791, _YU, _PUBLISHED_VOLUMES),
            Published("NeRVE(1)", "m_pair", 0.731, _YU, _PUBLISHED_VOLUMES),
            Published("CPD", "m_pair", 0.627, _YU, _PUBLISHED_VOLUMES),
        ),
    ),
    Protocol(
        "nguyen2017-100",
        "the same with 100 volumes of the recording as templates, unlabeled but for 663",
        "m_pair",
        ("test", "validation"),
        (Published("NeRVE(100)", "m_pair", 0.829, _YU, _PUBLISHED_VOLUMES),),
    ),
    Protocol(
        "targettrack",
        "each ordered pair of the labeled frames A-D; points, image attached",
        "m_pair",
        ("all", "train", "test"),
        (Published("CPD", "m_pair", 0.832, "re-run on A-D", _RE_RUN),),
    ),
    Protocol(
        "targettrack-images",
        "each ordered pair of the labeled frames A-C, which have images: a segmenter finds the "
        "points; those of people count as an oracle",
        "m_pair",
        ("train",),
    ),
    Protocol(
        "targettrack-vote",
        "each labeled frame against all others together; points, image attached",
        "m_pair",
        ("all", "train", "test"),
        (Published("vote of CPD", "m_pair", 0.938, "re-run on A-D", _RE_RUN),),
    ),
)
