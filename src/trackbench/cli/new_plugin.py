"""``trackbench new-plugin``: a package that works, to write a method into."""

from __future__ import annotations

from pathlib import Path

import click

__all__ = ["command"]


@click.command("new-plugin")
@click.argument("kind", type=click.Choice(["matcher", "labeler", "segmenter", "dataset"]))
@click.argument("name")
@click.option(
    "--into",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path(),
    show_default="here",
    help="Folder in which the package's folder is made.",
)
def command(kind: str, name: str, into: Path) -> None:
    """Write a package with a working KIND of plugin called NAME.

    \b
    Then:
      pip install -e ./trackbench-NAME
      trackbench check NAME
      trackbench run --matchers NAME,cpd
    """
    from trackbench.scaffold import write_plugin

    folder = write_plugin(kind, name, into)
    click.echo(f"wrote {folder}")
    click.echo(f"next:  pip install -e {folder}\n       trackbench check {name}")
