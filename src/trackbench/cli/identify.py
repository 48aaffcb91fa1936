"""``trackbench identify``: name the neurons of a worm."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from trackbench.cli.existing import Existing
from trackbench.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from trackbench.core.types import Labels, PointCloud
    from trackbench.identify.naming import Identification

__all__ = ["command"]

WORM = Existing("give a worm's points as a .csv or an fDNC .data file", folders=False)
HANDEDNESS: Final = {"yes": True, "no": False, "unknown": None}


@click.command("identify")
@click.argument("worm", type=WORM)
@click.option("--template", "templates", type=WORM, multiple=True, help="A named worm; repeatable.")
@click.option("--labeler", help="Default: best; with templates best-with-templates.")
@click.option("--matcher", default="fdnc", show_default=True, help="Used with templates.")
@click.option(
    "--mirrored",
    type=click.Choice(list(HANDEDNESS)),
    default="unknown",
    show_default=True,
    help="Whether the microscope's x, y, z axes form a mirror image of the anatomy.",
)
@click.option(
    "--max-error",
    type=click.FloatRange(0, 1),
    default=0.05,
    show_default=True,
    help="Share of wrong names to expect among those given; 1 names every neuron.",
)
@click.option(
    "-o",
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path("labels.csv"),
    show_default=True,
    help="The table; pictures of the same name go beside it.",
)
@click.option("--picture/--no-picture", default=True, show_default=True, help="PNG and HTML.")
def command(
    *,
    worm: Path,
    templates: tuple[Path, ...],
    labeler: str | None,
    matcher: str,
    mirrored: str,
    max_error: float,
    out: Path,
    picture: bool,
) -> None:
    """Name the neurons of WORM, a CSV or an fDNC .data file.

    \b
    CSV: one row a neuron; columns z, y, x in µm and, if there are any, red, green, blue.
    Names that WORM carries are not used; they are compared with.
    """
    from trackbench.cli.output import check_writable
    from trackbench.core.registry import load_registry
    from trackbench.core.spec import parse_combination, parse_specs
    from trackbench.datasets.readers import read_points
    from trackbench.identify import abstain, identify, write_table

    check_writable(out)
    if out.suffix.lower() != ".csv":
        raise UsageError(f"can't write {out}", "the table is a CSV: give a name that ends in .csv")
    cloud = read_points(worm, mirrored=HANDEDNESS[mirrored])
    named = [_named(read_points(path), path) for path in templates]
    sums = parse_combination(labeler or ("best-with-templates" if named else "best"))
    if len(sums) != 1:
        raise UsageError(f"--labeler {labeler} is {len(sums)} sums", "give one, such as best")
    engine = parse_specs(matcher)[0] if named else None
    found = identify(load_registry(), cloud, sums[0], named, engine)
    labels = abstain(found.labels, max_error)
    write_table(out, found, labels)
    written = [out, *(_draw(out, found, labels, max_error) if picture else ())]
    _print(found, labels, written)


def _named(cloud: PointCloud, path: Path) -> PointCloud:
    if not any(cloud.names or ()):
        raise UsageError(f"{path}: the template has no names", "add a column `name`")
    return cloud


def _draw(out: Path, found: Identification, labels: Labels, max_error: float) -> tuple[Path, ...]:
    from trackbench.identify.picture import draw_html, draw_png

    paths = out.with_suffix(".png"), out.with_suffix(".html")
    kept = f"expected error at most {max_error:.0%}" if max_error < 1 else "every neuron named"
    title = f"{found.worm.id}: {kept}; the fainter, the less sure"
    draw_png(paths[0], found, labels, title)
    draw_html(paths[1], found, labels, title)
    return paths


def _print(found: Identification, labels: Labels, written: Sequence[Path]) -> None:
    from trackbench.identify.picture import verdicts

    given = sum(map(bool, labels.names))
    click.echo(
        f"{given} of {len(labels.names)} neurons named, {len(labels.names) - given} left out"
    )
    verdict = verdicts(found, labels)
    checked = verdict.count("right") + verdict.count("wrong")
    if checked:
        click.echo(f"{verdict.count('right')} of {checked} as in the file")
    for name in found.seen:
        click.echo(f"note: the weights of {name} have seen this worm", err=True)
    if found.worm.mirrored is None:
        click.echo(
            "note: handedness not given, so left and right are never sure and few names are kept: "
            "say --mirrored yes|no if you know it, or a larger --max-error",
            err=True,
        )
    for note in found.worm.notes:
        click.echo(f"note: {note}", err=True)
    click.echo("wrote " + ", ".join(map(str, written)))
