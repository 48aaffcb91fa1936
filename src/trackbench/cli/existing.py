"""Paths on a command line that have to be there already."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from trackbench.errors import InputError

if TYPE_CHECKING:
    import os

__all__ = ["Existing"]


class Existing(click.Path):
    """A path that is there; where it is not, the answer says what to give instead.

    Parameters
    ----------
    mend : str
        What the user is to give.
    files, folders : bool
        Whether the path may be a file, or a folder.
    """

    def __init__(self, mend: str, *, files: bool = True, folders: bool = True) -> None:
        super().__init__(path_type=Path, exists=True, file_okay=files, dir_okay=folders)
        self.mend = mend

    def convert(
        self,
        value: str | os.PathLike[str],
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> Any:
        """Check the path.

        Raises
        ------
        InputError
            It is not there, is a folder where a file is asked for or the other way round, or
            can't be read.
        """
        try:
            return super().convert(value, param, ctx)
        except click.BadParameter as error:
            problem = error.message.rstrip(".") if Path(value).exists() else f"{value} is not there"
            raise InputError(problem, self.mend) from error
