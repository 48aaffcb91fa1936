"""From one worm to names: labelers by name, one assignment, abstention below an error rate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from trackbench.core.keys import animal_key
from trackbench.core.pipeline import fit_labelers, label_test, match_batch, view
from trackbench.core.types import ANONYMOUS, Labels
from trackbench.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from trackbench.core.plugin import Labeler, Matcher
    from trackbench.core.registry import Registry
    from trackbench.core.spec import Spec
    from trackbench.core.types import Evidence, Match, PointCloud

__all__ = ["Identification", "abstain", "identify"]

CANDIDATES = 5


@dataclass(frozen=True, eq=False)
class Identification:
    """One named worm.

    Parameters
    ----------
    worm : PointCloud
        As it was read; names that it carries were not looked at.
    labels : Labels
        One name a neuron, none twice.
    evidence : Evidence
        The table before the assignment.
    seen : tuple of str
        Labelers whose weights have seen this worm: of it they prove nothing.
    """

    worm: PointCloud
    labels: Labels
    evidence: Evidence
    seen: tuple[str, ...] = ()

    def candidates(self) -> list[list[tuple[str, float]]]:
        """List the five most probable names of each neuron, with their probabilities."""
        named = [k for k, name in enumerate(self.evidence.names) if not name.startswith(ANONYMOUS)]
        p = np.exp(self.evidence.log_p[:, named].astype(np.float64))
        order = np.argsort(-p, axis=1, kind="stable")[:, :CANDIDATES]
        return [
            [(self.evidence.names[named[k]], float(p[i, k])) for k in row]
            for i, row in enumerate(order)
        ]


def identify(
    registry: Registry,
    worm: PointCloud,
    labelers: Sequence[Spec],
    templates: Sequence[PointCloud] = (),
    matcher: Spec | None = None,
) -> Identification:
    """Name the neurons of a worm.

    Parameters
    ----------
    registry : Registry
    worm : PointCloud
        Its own names, if it has any, are not looked at.
    labelers : sequence of Spec
        Their tables are added.
    templates : sequence of PointCloud
        Named worms, for labelers that use matches.
    matcher : Spec, optional
        Needed by such labelers.

    Raises
    ------
    UsageError
        A labeler that needs templates, a matcher or colors that aren't there.
    """
    made = [cast("Labeler[Any]", registry.create("labeler", spec)) for spec in labelers]
    for item in made:
        _check(item, worm, templates, matcher)
    test = worm.without_names()
    matches: list[Match] = []
    if matcher is not None and any(item.uses_matches for item in made):
        engine = cast("Matcher[Any]", registry.create("matcher", matcher))
        matches = [_match(engine, template, test) for template in templates]
    labels, evidence = label_test(fit_labelers(made, templates), test, matches)
    key = animal_key(worm.zyx_um)
    seen = tuple(item.name for item in made if key in item.trained_on)
    return Identification(worm, labels, evidence, seen)


def _match(matcher: Matcher[Any], template: PointCloud, test: PointCloud) -> Match:
    prepared = matcher.prepare(view(matcher, template, template.names))
    return match_batch(matcher, prepared, template, [test])[0]


def _check(
    labeler: Labeler[Any],
    worm: PointCloud,
    templates: Sequence[PointCloud],
    matcher: Spec | None,
) -> None:
    if "color" in labeler.requires and worm.color is None:
        raise UsageError(f"{labeler.name} needs colors", f"{worm.id!r} has none: use another")
    if labeler.uses_matches and not templates:
        raise UsageError(f"{labeler.name} needs templates", "give named worms: --template FILE")
    if labeler.uses_matches and matcher is None:
        raise UsageError(f"{labeler.name} needs a matcher", "name one: --matcher cpd")


def abstain(labels: Labels, max_error: float) -> Labels:
    """Take back the least sure names until few enough of the others are wrong.

    The expected share of wrong names is the mean of one minus probability, so the longest list
    of surest names with a mean of at most `max_error` is kept. It holds as far as the
    probabilities are calibrated.

    Parameters
    ----------
    labels : Labels
    max_error : float
        1 keeps every name.
    """
    given = np.array([bool(name) for name in labels.names], dtype=bool)
    doubt = np.where(given, 1.0 - labels.probability.astype(np.float64), np.inf)
    order = np.argsort(doubt, kind="stable")[: int(given.sum())]
    error = np.cumsum(doubt[order]) / np.arange(1, len(order) + 1)
    kept = np.zeros(len(given), dtype=bool)
    kept[order[error <= max_error]] = True
    names = tuple(name if ok else "" for name, ok in zip(labels.names, kept, strict=True))
    return Labels(names, np.where(kept, labels.probability, 0.0), labels.top_names)
