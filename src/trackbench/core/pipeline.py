"""Segment, match, label: the only path by which cases reach plugins."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from trackbench.core import evidence as tables
from trackbench.core.keys import content_key
from trackbench.core.types import PointCloud
from trackbench.errors import ContractError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from trackbench.core.plugin import Labeler, Matcher, Plugin
    from trackbench.core.types import Case, Evidence, Labels, Match

__all__ = ["FittedLabeler", "fit_labelers", "label_test", "match_batch", "reason_to_skip", "view"]


def view(plugin: Plugin[Any], cloud: PointCloud, names: tuple[str, ...] | None) -> PointCloud:
    """Give a plugin what it may see of a cloud: names only where its class asks for them.

    Parameters
    ----------
    plugin : Plugin
    cloud : PointCloud
    names : tuple of str, optional
        The names that stand to be seen: a template's own, a test's true ones.
    """
    needed = {"labels", "truth"} & plugin.requires
    if not needed or names is None:
        return cloud.without_names()
    return PointCloud(
        cloud.zyx_um, cloud.color, names, cloud.id, cloud.animal, cloud.mirrored, cloud.evidence
    )


def reason_to_skip(plugin: Plugin[Any], case: Case) -> str | None:
    """Say why a plugin can't work on a case, or None where it can."""
    clouds = (case.test, *case.templates)
    if "color" in plugin.requires and any(cloud.color is None for cloud in clouds):
        return "needs color"
    if "images" in plugin.requires and case.volume is None:
        return "needs images"
    if "labels" in plugin.requires and any(cloud.names is None for cloud in case.templates):
        return "needs named templates"
    return plugin.supports(case)


def match_batch(
    matcher: Matcher[Any], prepared: Any, template: PointCloud, tests: Sequence[PointCloud]
) -> list[Match]:
    """Match tests against one prepared template and hold the matcher to its contract.

    Raises
    ------
    ContractError
        A wrong number of matches or tables of the wrong shape.
    """
    matches = matcher.match(prepared, tests)
    if len(matches) != len(tests):
        raise ContractError(
            f"{matcher.name} gave {len(matches)} matches for {len(tests)} tests",
            "return one Match a test, in order",
        )
    for match, test in zip(matches, tests, strict=True):
        wanted = (len(test), len(template) + 1)
        if match.log_p.shape != wanted:
            raise ContractError(
                f"{matcher.name}: log_p of {test.id!r} has shape {match.log_p.shape}",
                f"it must be (n_test, n_template + 1) = {wanted}",
            )
    return matches


@dataclass(frozen=True)
class FittedLabeler:
    """A labeler and what it learned from the references."""

    labeler: Labeler[Any]
    state: Any


def fit_labelers(
    labelers: Sequence[Labeler[Any]], references: Sequence[PointCloud]
) -> tuple[FittedLabeler, ...]:
    """Fit each labeler on the named references."""
    return tuple(FittedLabeler(item, item.fit(references)) for item in labelers)


def label_test(
    fitted: Sequence[FittedLabeler], test: PointCloud, matches: Sequence[Match]
) -> tuple[Labels, Evidence]:
    """Add the tables of all labelers, and what the segmenter knows, and assign once."""
    found = [item.labeler.evidence(item.state, test, matches) for item in fitted]
    weights = [float(getattr(item.labeler.config, "weight", 1.0)) for item in fitted]
    for item, table in zip(fitted, found, strict=True):
        if len(table.log_p) != len(test):
            raise ContractError(
                f"{item.labeler.name} gave {len(table.log_p)} rows for {len(test)} neurons",
                "return one row a test neuron",
            )
    total = tables.add(found, weights)
    return tables.label(total), total


def template_key(matcher: Matcher[Any], template: PointCloud) -> str:
    """Key under which a prepared template may be used again."""
    seen = view(matcher, template, template.names)
    return content_key(matcher.name, matcher.config, matcher.seed, seen)
