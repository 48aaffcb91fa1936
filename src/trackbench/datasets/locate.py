"""Finds data: a folder that was named, the environment's, the user's cache, or the network."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

from trackbench.datasets.fetch import fetch, missing_files
from trackbench.datasets.registry import source_named
from trackbench.errors import MissingDataError

if TYPE_CHECKING:
    from trackbench.datasets.fetch import Progress

__all__ = ["DATA_VARIABLE", "cache_folder", "find", "locate"]

DATA_VARIABLE: Final = "TRACKBENCH_DATA"
"""Environment variable that names the folder of all data."""


def cache_folder() -> Path:
    """Give the user's cache of downloaded data, whether or not it exists."""
    import pooch

    return Path(pooch.os_cache("trackbench")) / "data"


def find(section: str, data_dir: Path | None = None) -> Path | None:
    """Give the folder that holds the folder `section`, without using the network.

    Parameters
    ----------
    section : str
        A source of the registry, such as "wormnd".
    data_dir : Path, optional
        The only place looked at, if given; otherwise ``TRACKBENCH_DATA``, then the cache.

    Returns
    -------
    Path or None
        None where neither the environment's folder nor the cache holds it.

    Raises
    ------
    UsageError
        No such source.
    MissingDataError
        `data_dir` isn't there or doesn't hold it; ``TRACKBENCH_DATA`` isn't there.
    """
    source_named(section)
    if data_dir is not None:
        return _named_folder(data_dir, section)
    variable = os.environ.get(DATA_VARIABLE)
    if variable:
        if not Path(variable).is_dir():
            raise MissingDataError(
                f"{variable}: no such folder", f"mend the environment variable {DATA_VARIABLE}"
            )
        if (Path(variable) / section).is_dir():
            return Path(variable)
    cache = cache_folder()
    return cache if (cache / section).is_dir() else None


def _named_folder(data_dir: Path, section: str) -> Path:
    if not data_dir.is_dir():
        raise MissingDataError(f"{data_dir}: no such folder", "mend --data-dir")
    if not (data_dir / section).is_dir():
        raise MissingDataError(
            f"{data_dir}: it holds no folder {section!r}",
            f"give the folder that holds {section}/, or run: "
            f"trackbench data fetch {section} --data-dir {data_dir}",
        )
    return data_dir


def locate(
    section: str,
    *,
    data_dir: Path | None = None,
    offline: bool = False,
    progress: Progress | None = None,
) -> Path:
    """Give the folder that holds the folder `section`; download it into the cache if need be.

    A copy that the user named is taken as it is, whole or partial; a partial one in the cache
    is an interrupted download, and is completed.

    Parameters
    ----------
    section, data_dir
        As for `find`.
    offline : bool
        Never use the network: a partial cache is taken as it is.
    progress : callable, optional
        Told of the bytes as they arrive.

    Raises
    ------
    UsageError, MissingDataError, InputError
        As `find` and `fetch`.
    """
    found = find(section, data_dir)
    cache = cache_folder()
    if found is not None and (found != cache or offline):
        return found
    source = source_named(section)
    if found is None and offline:
        raise MissingDataError(
            f"{section} is neither in ${DATA_VARIABLE} nor in {cache}",
            f"give --data-dir, or without --offline: trackbench data fetch {section}",
        )
    if missing_files(source, cache / section):
        fetch(source, cache / section, progress=progress)
    return cache
