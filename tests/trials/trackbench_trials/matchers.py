"""Matchers that misbehave, one way each."""

import ctypes
import os
import sys
import time

import numpy as np
from pydantic import Field

from trackbench import Config, Match, Matcher, PairwiseMatcher
from trackbench.core.keys import animal_key
from trackbench.core.plugin import Backend
from trackbench_trials.counting import note
from trackbench_trials.dataset import TrialDataset


def by_distance(template, test):
    squared = ((test.zyx_um[:, None] - template.zyx_um[None]) ** 2).sum(axis=2)
    scores = np.concatenate([-squared / 8, np.full((len(test), 1), -8.0)], axis=1)
    return Match.from_scores(scores, template.id, test.id)


class SegfaultMatcher(PairwiseMatcher):
    """Reads address 0."""

    name = "segfault"

    def match_pair(self, template, test):
        sys.stdout.write("about to crash\n")
        sys.stdout.flush()
        return ctypes.string_at(0)


class KilledMatcher(PairwiseMatcher):
    """Dies as if the system had run out of memory."""

    name = "killed"

    def match_pair(self, template, test):
        os.kill(os.getpid(), 9)


class ParricideMatcher(PairwiseMatcher):
    """Kills the process that started its own, as a machine that goes down would."""

    name = "parricide"

    def match_pair(self, template, test):
        os.kill(os.getppid(), 9)
        time.sleep(60)


class HangMatcher(PairwiseMatcher):
    """Sleeps for an hour."""

    name = "hang"

    def match_pair(self, template, test):
        time.sleep(3600)


class RaisingMatcher(PairwiseMatcher):
    """Throws for every second test, wherever that stands in a batch."""

    name = "raising"

    def match_pair(self, template, test):
        if int(test.id.split("-")[1]) % 2:
            raise ValueError("no idea\nabout this one")
        return by_distance(template, test)


class NanMatcher(PairwiseMatcher):
    """Answers NaN."""

    name = "nan"

    def match_pair(self, template, test):
        return Match(np.full((len(test), len(template) + 1), np.nan))


class ShapeMatcher(PairwiseMatcher):
    """Forgets a column."""

    name = "wrong-shape"

    def match_pair(self, template, test):
        return Match.from_scores(np.zeros((len(test), len(template))))


class HungryConfig(Config):
    gib: int = Field(default=2**20, ge=1, description="memory to ask for in GiB")


class HungryMatcher(PairwiseMatcher):
    """Asks for memory and uses it."""

    name = "hungry"
    Config = HungryConfig

    def match_pair(self, template, test):
        np.ones(self.config.gib * 2**30, dtype=np.uint8)
        return by_distance(template, test)


class UnwillingMatcher(PairwiseMatcher):
    """Supports one animal alone."""

    name = "unwilling"

    def supports(self, case):
        return None if case.animal == "worm-0" else "only worm-0 will do"

    def match_pair(self, template, test):
        return by_distance(template, test)


class LeakyMatcher(PairwiseMatcher):
    """Says that its weights saw the first test."""

    name = "leaky"

    @property
    def trained_on(self):
        first = next(iter(TrialDataset().cases("trial-pairs", "test", None)))
        moved = first.test.zyx_um[::-1] + 5.0
        return frozenset({animal_key(moved)})

    def match_pair(self, template, test):
        return by_distance(template, test)


class CountedConfig(Config):
    sleep_s: float = Field(default=0.0, ge=0, le=10, description="pause for each test in s")


class CountedMatcher(Matcher):
    """A matcher that works, and notes what it was asked."""

    name = "counted"
    Config = CountedConfig

    def prepare(self, template):
        note(f"prepare {template.id}")
        return template

    def match(self, prepared, tests):
        found = []
        for test in tests:
            note(f"match {prepared.id} {test.id}")
            time.sleep(self.config.sleep_s)
            found.append(by_distance(prepared, test))
        return found


class TwoWaysMatcher(PairwiseMatcher):
    """Has a fast way on machines that TRIAL_FAST says are fast."""

    name = "two-ways"

    @property
    def backend(self):
        fast = bool(os.environ.get("TRIAL_FAST"))
        return Backend("fast") if fast else Backend("slow", "set TRIAL_FAST")

    def match_pair(self, template, test):
        return by_distance(template, test)


MATCHERS = [
    SegfaultMatcher,
    KilledMatcher,
    ParricideMatcher,
    HangMatcher,
    RaisingMatcher,
    NanMatcher,
    ShapeMatcher,
    HungryMatcher,
    UnwillingMatcher,
    LeakyMatcher,
    CountedMatcher,
    TwoWaysMatcher,
]
