"""What the templates can vote for: the names of all of them and who carries which.

The columns of all matches stand side by side, template after template, each template's
"no partner" column last. A sparse table says which name each column votes for, so that one
product counts all votes of all templates.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.sparse import csr_array

from trackbench.core.types import ANONYMOUS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from trackbench.core.types import PointCloud

__all__ = ["Ballot", "make_ballot"]


@dataclass(frozen=True, eq=False)
class Ballot:
    """The names to vote for and the name behind each template neuron.

    Parameters
    ----------
    names : tuple of str, length k
    starts : (r + 1,) array of int
        Template t owns the columns starts[t] to starts[t + 1], its last one being "no partner".
    name_of : (s, k + 1) sparse array
        Row: a column of the matches laid side by side; column: a name, the last one "none of
        these". Each row sums to one: an unnamed neuron votes for none of the names.
    """

    names: tuple[str, ...]
    starts: NDArray[np.intp]
    name_of: csr_array

    @property
    def template_of(self) -> NDArray[np.intp]:
        """Which template owns each column, (s,)."""
        return np.repeat(np.arange(len(self.starts) - 1), np.diff(self.starts))

    @property
    def has_names(self) -> NDArray[np.bool_]:
        """Whether each template has a name at all, (r,); true of all where none has one."""
        named = np.asarray(self.name_of[:, :-1].sum(axis=1)) > 0
        some = np.logical_or.reduceat(named, self.starts[:-1])
        return some | ~some.any()


def make_ballot(references: Sequence[PointCloud]) -> Ballot:
    """Lay the templates side by side and look up their names.

    With one named template among the references its unnamed neurons stay in the table as
    anonymous candidates: they take part in the assignment and give no name. Unnamed neurons of
    several named templates can't be told to be the same, so they vote for none of the names.

    Parameters
    ----------
    references : sequence of PointCloud
    """
    labels = [_labels(cloud) for cloud in references]
    named = [t for t, row in enumerate(labels) if any(row)]
    if len(named) == 1:
        only = named[0]
        labels[only] = tuple(name or f"{ANONYMOUS}{j}" for j, name in enumerate(labels[only]))
    names = tuple(dict.fromkeys(name for row in labels for name in row if name))
    column = {name: k for k, name in enumerate(names)} | {"": len(names)}
    index = np.array([column[name] for row in labels for name in (*row, "")], dtype=np.intp)
    shape = (len(index), len(names) + 1)
    name_of = csr_array((np.ones(len(index)), (np.arange(len(index)), index)), shape=shape)
    starts = np.cumsum([0, *(len(row) + 1 for row in labels)])
    return Ballot(names, starts, name_of)


def _labels(cloud: PointCloud) -> tuple[str, ...]:
    return cloud.names if cloud.names is not None else ("",) * len(cloud)
