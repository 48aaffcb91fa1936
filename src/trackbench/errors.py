"""Everything that trackbench raises on purpose, with its exit code.

::

    TrackbenchError (2)
    ├── UsageError (2)           a wrong command line, config or parameter
    ├── InputError (2)           a user's file or value: names the file, what is wrong, the mend
    │   └── MissingDataError (2) a dataset that is neither on disk nor downloadable
    ├── PluginError (2)          a plugin that can't be loaded, found or configured
    │   └── ContractError (2)    a plugin that answered with something its interface forbids
    ├── StoreError (2)           a result store that can't be opened or written
    ├── ClusterError (2)         a Dask cluster that can't be reached or used
    ├── RegressionError (1)      accuracy or speed fell below its gate
    ├── CellsFailedError (3)     some cells of a plan failed; all the others have their rows
    └── NothingComparableError (4)

One exception type reaches the user, as one line without a traceback: what is wrong, then the
mend. Anything else is a bug.
"""

from __future__ import annotations

from typing import ClassVar

__all__ = [
    "CellsFailedError",
    "ClusterError",
    "ContractError",
    "InputError",
    "MissingDataError",
    "NothingComparableError",
    "PluginError",
    "RegressionError",
    "StoreError",
    "TrackbenchError",
    "TrackbenchWarning",
    "UsageError",
]


class TrackbenchWarning(UserWarning):
    """Something that a user should know and that doesn't stop the work."""


class TrackbenchError(Exception):
    """Base of all errors that trackbench raises on purpose.

    Parameters
    ----------
    problem : str
        What is wrong, naming the file, plugin or field.
    mend : str, optional
        What the user can do about it.
    """

    exit_code: ClassVar[int] = 2

    def __init__(self, problem: str, mend: str = "") -> None:
        super().__init__(problem, mend)
        self.problem = problem
        self.mend = mend

    def __str__(self) -> str:
        return f"{self.problem}: {self.mend}" if self.mend else self.problem


class UsageError(TrackbenchError):
    """A wrong command line, config file or parameter."""


class InputError(TrackbenchError):
    """A user's file or value that can't be used."""


class MissingDataError(InputError):
    """A dataset that is neither on disk nor downloadable."""


class PluginError(TrackbenchError):
    """A plugin that can't be loaded, found or configured."""


class ContractError(PluginError):
    """A plugin that answered with something its interface forbids."""


class StoreError(TrackbenchError):
    """A result store that can't be opened or written."""


class ClusterError(TrackbenchError):
    """A Dask cluster that can't be reached or used; finished cells stay."""


class RegressionError(TrackbenchError):
    """Accuracy or speed fell below its gate."""

    exit_code = 1


class CellsFailedError(TrackbenchError):
    """Some cells of a plan failed; all the others have their rows."""

    exit_code = 3


class NothingComparableError(TrackbenchError):
    """Two result sets share nothing that could be compared."""

    exit_code = 4
