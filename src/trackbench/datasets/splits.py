"""Which real worm may be used for what: the one place that decides train, validation and test.

The rule (protocols, section "Splits"): learned components see **train** only, choices are made
on **validation**, **test** is for reporting. The nine HL worms are never trained on: they are
the cross-lab test.
"""

from __future__ import annotations

from typing import Final, Literal

Split = Literal["train", "validation", "test"]

CROSS_LAB_TEST: Final = "HL"
"""The lab that is held out whole."""

TEST_GROUPS: Final = frozenset({"0", "4"})
"""Folds of `group_assigns.csv` that every lab reports on."""

NEUROPAL_VALIDATION: Final = frozenset(
    {
        "20190924_01",  # EY
        "20190929_03",  # EY
        "20230918-13-21-0",  # KK
        "7_YAaLR",  # NP
        "70_YAaLR",  # NP
        "2022-06-28-01",  # SF
        "2022-07-20-01",  # SF
        "2023-01-16-01",  # SF
        "2023-01-16-15",  # SF
        "20230506-14-24-57",  # SK1
        "20230909-16-48-09",  # SK1
        "2022-03-05-w00-NP1",  # SK2
    }
)
"""A fixed fifth of the training folds, stratified by lab: within each lab the worms with the
smallest sha256 of their file name, a fifth of them, rounded to the nearest whole worm."""


def neuropal_split(worm: str, lab: str, group: str) -> Split:
    """Give the split of one WormND worm.

    Parameters
    ----------
    worm : str
        File name without its suffix.
    lab, group : str
        Columns `Dataset` and `Group` of `group_assigns.csv`.
    """
    if lab == CROSS_LAB_TEST or group in TEST_GROUPS:
        return "test"
    return "validation" if worm in NEUROPAL_VALIDATION else "train"
