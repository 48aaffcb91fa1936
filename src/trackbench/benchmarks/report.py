"""Writes one self-contained HTML file about a result store."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from trackbench import __version__
from trackbench.benchmarks import figures
from trackbench.benchmarks.atomic import write_atomically
from trackbench.benchmarks.metrics import METRICS
from trackbench.benchmarks.report_data import Section, failures, notes, sections
from trackbench.benchmarks.store import Store
from trackbench.benchmarks.tables import ROWS
from trackbench.errors import StoreError

__all__ = ["write_report"]

TEMPLATES = Path(__file__).parent / "templates"


def write_report(folder: Path, target: Path) -> None:
    """Write the report of a store's collected tables.

    Parameters
    ----------
    folder : Path
        A result store.
    target : Path
        The HTML file. It needs no network.

    Raises
    ------
    StoreError
        There is no store, nothing was collected, or the file can't be written.
    """
    store = Store.open(folder)
    if not (folder / ROWS).exists() or not (folder / "summary.json").exists():
        raise StoreError(f"{folder} holds no table yet", f"run trackbench score {folder} first")
    page = _render(store)
    write_atomically(target, lambda file: file.write(page.encode()))


def _render(store: Store) -> str:
    import jinja2
    from plotly.offline import get_plotlyjs

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES), autoescape=True, trim_blocks=True
    )
    environment.filters |= {"share": _share, "seconds": _seconds}
    summary = json.loads((store.folder / "summary.json").read_bytes())
    found = sections(summary, store.plans(), store.folder)
    listed, n_failures = failures(store.folder)
    return environment.get_template("report.html.j2").render(
        version=__version__,
        plotly=get_plotlyjs(),
        style=(TEMPLATES / "report.css").read_text(encoding="utf-8"),
        script=(TEMPLATES / "report.js").read_text(encoding="utf-8"),
        metrics=METRICS,
        sections=[(section, _figures(section)) for section in found],
        failures=listed,
        n_failures=n_failures,
        notes=notes(store.folder),
        machine=store.read_json(Path("machine.json")) or {},
    )


def _figures(section: Section) -> list[tuple[str, dict[str, Any]]]:
    drawn = (
        ("Accuracy against time", figures.accuracy_against_time(section)),
        ("Every case", figures.per_case(section)),
        ("Accuracy of the most confident neurons", figures.risk_coverage(section)),
    )
    return [(title, figure) for title, figure in drawn if figure is not None]


def _share(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _seconds(value: float | None) -> str:
    return "–" if value is None else f"{value:.2g}"
