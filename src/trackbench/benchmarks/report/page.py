"""Writes the report's page."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from trackbench import __version__
from trackbench.benchmarks.atomic import write_atomically
from trackbench.benchmarks.metrics import METRICS
from trackbench.benchmarks.report.breakdown import by_ganglion, by_neuron
from trackbench.benchmarks.report.figures import figures
from trackbench.benchmarks.report.paired import COMPARED, pairs
from trackbench.benchmarks.report.rows import MAX_FAILURES, failures, notes
from trackbench.benchmarks.report.sections import DRAWN, LISTED
from trackbench.benchmarks.report.timeline import timelines

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import jinja2

    from trackbench.benchmarks.history import Series
    from trackbench.benchmarks.report.sections import Section
    from trackbench.benchmarks.store import Store

__all__ = ["DETAILED", "Context", "write_page"]

TEMPLATES: Final = Path(__file__).parent / "templates"
SCRIPTS: Final = ("tables.js", "scales.js", "charts.js", "page.js")

DETAILED: Final = 24
"""Protocols with figures and breakdowns; further ones have their leaderboard alone."""


@dataclass(frozen=True)
class Context:
    """What a page shows beside the results of a store.

    Parameters
    ----------
    ganglia : mapping
        From neuron class to ganglion; empty where that is not known.
    history : sequence of Series
        Earlier runs of the same methods.
    """

    ganglia: Mapping[str, str]
    history: Sequence[Series]


def write_page(store: Store, sections: Sequence[Section], context: Context, target: Path) -> None:
    """Write one HTML file that needs no network.

    Parameters
    ----------
    store : Store
    sections : sequence of Section
    context : Context
    target : Path

    Raises
    ------
    StoreError
        The file can't be written.
    """
    listed, n_failures = failures(store.folder)
    page = (
        _environment()
        .get_template("report.html.j2")
        .render(
            version=__version__,
            style=_text("report.css"),
            script="\n".join(_text(name) for name in SCRIPTS),
            metrics=METRICS,
            parts=[_part(k, section, context) for k, section in enumerate(sections)],
            ganglia_known=bool(context.ganglia),
            failures=listed,
            n_failures=n_failures,
            max_failures=MAX_FAILURES,
            notes=notes(store.folder),
            machine=store.read_json(Path("machine.json")) or {},
            drawn=DRAWN,
            listed=LISTED,
            compared=COMPARED,
        )
    )
    write_atomically(target, lambda file: file.write(page.encode()))


def _part(number: int, section: Section, context: Context) -> dict[str, Any]:
    """Give a section with what is derived from it."""
    part: dict[str, Any] = {"id": f"p{number + 1}", "section": section, "detailed": False}
    if number >= DETAILED:
        return part
    drawn = [*figures(section), *timelines(section, context.history)]
    methods = [
        {"name": entry.name, "marked": not entry.quotable or bool(entry.marks)}
        for entry in section.drawn
    ]
    return part | {
        "detailed": True,
        "figures": drawn,
        "data": {"methods": methods, "figures": drawn},
        "pairs": pairs(section),
        "neurons": by_neuron(section, context.ganglia),
        "ganglia": by_ganglion(section, context.ganglia),
    }


def _environment() -> jinja2.Environment:
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"share": _share, "seconds": _seconds, "p": _p, "signed": _signed}
    return environment


def _text(name: str) -> str:
    return (TEMPLATES / name).read_text(encoding="utf-8")


def _share(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _signed(value: float) -> str:
    return f"{value:+.3f}".replace("-", "−")


def _seconds(value: float | None) -> str:
    return "–" if value is None else f"{value:.2g}"


def _p(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:.3f}" if value >= 0.001 else f"{value:.1e}"
