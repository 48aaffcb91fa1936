"""The report: one self-contained HTML file about a result store, and tables beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trackbench.benchmarks.history import HISTORY, read_history
from trackbench.benchmarks.report.export import write_breakdowns
from trackbench.benchmarks.report.page import Context, write_page
from trackbench.benchmarks.report.sections import read_sections
from trackbench.benchmarks.store import Store
from trackbench.benchmarks.tables import PREDICTIONS, ROWS
from trackbench.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["read_sections", "write_report"]


def write_report(
    folder: Path,
    target: Path,
    *,
    ganglia: Mapping[str, str] | None = None,
    tables: Path | None = None,
    history: Path | None = None,
) -> list[Path]:
    """Write the report of a store's collected tables.

    Parameters
    ----------
    folder : Path
        A result store.
    target : Path
        The HTML file. It needs no network.
    ganglia : mapping, optional
        From neuron class to ganglion, for the tables by ganglion.
    tables : Path, optional
        A folder for the breakdowns as CSV files.
    history : Path, optional
        A file with earlier runs; the store's own where it isn't given.

    Returns
    -------
    list of Path
        What was written.

    Raises
    ------
    StoreError
        There is no store, nothing was collected, or a file can't be written.
    InputError
        The history can't be used.
    """
    store = Store.open(folder)
    if not all((folder / name).exists() for name in (ROWS, PREDICTIONS, "summary.json")):
        raise StoreError(f"{folder} holds no table yet", f"run trackbench score {folder} first")
    sections = read_sections(store)
    known = ganglia or {}
    write_page(store, sections, Context(known, read_history(history or folder / HISTORY)), target)
    return [target, *(write_breakdowns(tables, sections, known) if tables else ())]
