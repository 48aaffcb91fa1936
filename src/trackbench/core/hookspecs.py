"""Every hook. A plugin module implements the ones it needs and names itself as an entry point.

Each docstring below holds a whole plugin; put it into `my_package/plugin.py` and declare it::

    [project.entry-points.trackbench]
    mine = "my_package.plugin"
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pluggy

if TYPE_CHECKING:
    from collections.abc import Iterable

    from trackbench.core.plugin import Dataset, Labeler, Matcher, Segmenter

__all__ = [
    "ENTRY_POINT_GROUP",
    "PREFIX",
    "hookimpl",
    "hookspec",
    "trackbench_datasets",
    "trackbench_labelers",
    "trackbench_matchers",
    "trackbench_segmenters",
]

ENTRY_POINT_GROUP: Final = "trackbench"
PREFIX: Final = "trackbench_"

hookspec = pluggy.HookspecMarker("trackbench")
hookimpl = pluggy.HookimplMarker("trackbench")


@hookspec
def trackbench_segmenters() -> Iterable[type[Segmenter[Any]]]:
    """Give segmenter classes: volume in, point cloud out (API 1).

    ::

        import numpy as np
        from trackbench import PointCloud, Segmenter, hookimpl

        class Brightest(Segmenter):
            name = "brightest"

            def segment(self, volume):
                red = volume.data[0]
                index = np.argwhere(red >= np.quantile(red, 0.9999))
                return PointCloud(index * volume.voxel_um, id=volume.id)

        @hookimpl
        def trackbench_segmenters():
            return [Brightest]
    """
    raise AssertionError("a specification is never called")  # pragma: no cover


@hookspec
def trackbench_matchers() -> Iterable[type[Matcher[Any]]]:
    """Give matcher classes: which test neuron is which template neuron (API 1).

    ::

        from trackbench import Match, PairwiseMatcher, hookimpl

        class Nearest(PairwiseMatcher):
            name = "my-nearest"

            def match_pair(self, template, test):
                distance = ((test.zyx_um[:, None] - template.zyx_um) ** 2).sum(axis=2)
                return Match.from_pairs(enumerate(distance.argmin(axis=1)), *distance.shape)

        @hookimpl
        def trackbench_matchers():
            return [Nearest]
    """
    raise AssertionError("a specification is never called")  # pragma: no cover


@hookspec
def trackbench_labelers() -> Iterable[type[Labeler[Any]]]:
    """Give labeler classes: a table over names for each neuron of a test (API 1).

    ::

        import numpy as np
        from trackbench import Evidence, Labeler, hookimpl

        class Prior(Labeler):
            name = "prior"
            uses_matches = False

            def fit(self, references):
                return tuple(sorted({n for r in references for n in r.names or () if n}))

            def evidence(self, fitted, test, matches):
                columns = len(fitted) + 1
                return Evidence(fitted, np.full((len(test), columns), -np.log(columns)))

        @hookimpl
        def trackbench_labelers():
            return [Prior]
    """
    raise AssertionError("a specification is never called")  # pragma: no cover


@hookspec
def trackbench_datasets() -> Iterable[type[Dataset[Any]]]:
    """Give dataset classes: cases by protocol and split (API 1).

    ::

        import numpy as np
        from trackbench import Case, Dataset, PointCloud, Protocol, Truth, hookimpl

        class Grid(Dataset):
            name = "grid"

            def protocols(self):
                return (Protocol("grid", "a shifted grid", metric="m_pair"),)

            def cases(self, protocol, split, data_dir):
                points = np.argwhere(np.ones((4, 4, 4))) * 5.0
                names = tuple(f"n{i}" for i in range(len(points)))
                template = PointCloud(points, names=names, id="grid", animal="grid")
                test = PointCloud(points + 1, id="moved", animal="moved")
                yield Case("0", (template,), test, Truth(names, True), "moved", split, protocol)

        @hookimpl
        def trackbench_datasets():
            return [Grid]
    """
    raise AssertionError("a specification is never called")  # pragma: no cover
