"""Every installed matcher, labeler, segmenter and dataset holds what every plugin must."""

import os
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from trackbench import Evidence, Labeler, Match, PairwiseMatcher
from trackbench.core.registry import load_registry
from trackbench.testing import CHECKS, STANDARD_CASES, run_checks, toy_worm

TRIALS = "trackbench-trials"
"""Plugins that crash, hang and lie on purpose: the harness's own tests."""

REGISTRY = load_registry()
PLUGINS = [
    pytest.param(registered, id=f"{kind}-{name}")
    for kind in CHECKS
    for name, registered in getattr(REGISTRY, f"{kind}s")().items()
    if registered.distribution != TRIALS
]


@pytest.mark.parametrize("registered", PLUGINS)
def test_installed_plugin_conforms(registered):
    bad = [
        f"{outcome.check.name}: {outcome.status}: {outcome.reason}"
        for outcome in run_checks(registered)
        if not outcome.good
    ]
    assert not bad, "\n".join(bad)


class Base(PairwiseMatcher):
    """A matcher that is right, for its subclasses to spoil."""

    name = "base"

    def match_pair(self, template, test):
        moved = test.zyx_um - np.median(test.zyx_um, axis=0) if len(test) else test.zyx_um
        fixed = template.zyx_um - np.median(template.zyx_um, axis=0) if len(template) else moved[:0]
        scores = -((moved[:, None] - fixed[None]) ** 2).sum(axis=2) / 8
        return Match.from_scores(np.hstack([scores, np.full((len(test), 1), -9.0)]))


class Nan(Base):
    """Returns NaN."""

    def match_pair(self, template, test):
        return Match(np.full((len(test), len(template) + 1), np.nan))


class Unseeded(Base):
    """Draws from an unseeded generator."""

    def match_pair(self, template, test):
        rng = np.random.default_rng()
        return Match.from_scores(rng.normal(size=(len(test), len(template) + 1)))


class Crashes(Base):
    """Fails on an empty template."""

    def match_pair(self, template, test):
        (template.zyx_um[0], "an empty template has no first point")
        return super().match_pair(template, test)


class Ordered(Base):
    """Matches row to row."""

    def match_pair(self, template, test):
        n = min(len(template), len(test))
        return Match.from_pairs(zip(range(n), range(n), strict=True), len(test), len(template))


class Remembers(Base):
    """Depends on how many tests came before."""

    def match(self, prepared, tests):
        return [
            Match.from_scores(self.match_pair(prepared, test).log_p / (1 + i))
            for i, test in enumerate(tests)
        ]


class Still(Base):
    """Compares positions without moving them."""

    def match_pair(self, template, test):
        scores = -((test.zyx_um[:, None] - template.zyx_um[None]) ** 2).sum(axis=2) / 8
        return Match.from_scores(np.hstack([scores, np.full((len(test), 1), -9.0)]))


class WrongShape(Base):
    """Forgets the last column."""

    def match_pair(self, template, test):
        return Match.from_scores(np.zeros((len(test), max(1, len(template)))))


class FarAway(Base):
    """Loses itself a tenth of a metre from the origin."""

    def match_pair(self, template, test):
        if len(test) and np.abs(test.zyx_um).max() > 1e4:
            return Match(np.full((len(test), len(template) + 1), np.nan))
        return super().match_pair(template, test)


class Elsewhere(Base):
    """Answers by the number of its process."""

    def match_pair(self, template, test):
        rng = np.random.default_rng(os.getpid())
        return Match.from_scores(rng.normal(size=(len(test), len(template) + 1)))


class LeavesLock(Base):
    """Holds a lock file while it works, which stays when it is killed."""

    def match_pair(self, template, test):
        lock = Path(os.environ["LOCK_FILE"])
        lock.touch(exist_ok=False)
        time.sleep(0.2)
        lock.unlink()
        return super().match_pair(template, test)


class Vague(Base):
    """Says in a word of its own what computes it."""

    backend = "fast"


class Undocumented(Base):
    __doc__ = ""


@pytest.mark.parametrize(
    ("cls", "caught_by"),
    [
        (Nan, "standard_cases"),
        (Crashes, "standard_cases"),
        (WrongShape, "standard_cases"),
        (Unseeded, "deterministic"),
        (Ordered, "permutation"),
        (Remembers, "batching"),
        (Still, "translation"),
        (Base, "rotation"),
        (FarAway, "no_nan"),
        (Elsewhere, "spawn_and_kill"),
        (LeavesLock, "spawn_and_kill"),
        (Unseeded, "beats_random"),
        (Undocumented, "documented"),
        (Vague, "backend"),
    ],
)
def test_each_check_catches_what_it_is_for(cls, caught_by, tmp_path, monkeypatch):
    monkeypatch.setenv("LOCK_FILE", str(tmp_path / "lock"))
    (check,) = [check for check in CHECKS["matcher"] if check.name == caught_by]
    with pytest.raises(AssertionError):
        check.run(cls)


def test_a_declared_failure_that_passes_is_an_error():
    declared = type("Declared", (Base,), {"expected_failures": {"translation": "by design"}})
    declared.__doc__ = "Declares too much."
    found = run_checks(SimpleNamespace(cls=declared, kind="matcher"))
    outcomes = {o.check.name: o for o in found}
    assert outcomes["translation"].status == "unexpected pass"
    assert not outcomes["translation"].good


class Forgetful(Labeler):
    """Gives one row too few."""

    name = "forgetful"

    def evidence(self, fitted, test, matches):
        return Evidence(("a",), np.log(np.full((max(0, len(test) - 1), 2), 0.5)))


def test_a_labeler_with_too_few_rows_is_caught():
    found = run_checks(SimpleNamespace(cls=Forgetful, kind="labeler"))
    assert {o.check.name: o.status for o in found}["standard_cases"] == "failed"


def test_standard_cases_are_what_their_names_say():
    assert len(STANDARD_CASES["empty_test"].test) == 0
    assert len(STANDARD_CASES["empty_template"].template) == 0
    assert len(STANDARD_CASES["one_point"].test) == 1
    assert all(len(case.truth) == len(case.test) for case in STANDARD_CASES.values())
    assert toy_worm(10, 1).zyx_um.tolist() == toy_worm(10, 1).zyx_um.tolist()
