"""The command line: one module a command; each parses, calls one function and prints.

Commands are imported when they are called, so that ``trackbench --help`` stays quick.
"""

from __future__ import annotations

import difflib
import importlib
import sys
import warnings
from typing import Final

import click

from trackbench import __version__
from trackbench.errors import TrackbenchError, TrackbenchWarning

__all__ = ["COMMANDS", "app", "main"]

COMMANDS: Final = {
    "run": "Score segmenters, matchers and labelers on a dataset.",
    "score": "Score a result store again, without running anything.",
    "store": "Say what a result store holds; remove what is stale.",
    "report": "Write a self-contained HTML report of a result store.",
    "compare": "Hold one result set against another; exit code 1 on a regression.",
    "baseline": "Keep the figures that later runs are held against.",
    "identify": "Name the neurons of a worm.",
    "track": "Follow the neurons of a worm through a recording.",
    "traces": "Measure the activity of tracked neurons.",
    "fit-weights": "Find the weights of a sum of labelers on validation worms.",
    "list": "List plugins, datasets and protocols.",
    "data": "List, download and check the public recordings.",
    "train": "Train networks and fit atlases on labeled worms.",
    "simulate": "Write simulated worms with known truth to files.",
    "check": "Run the conformance checks on a plugin.",
    "new-plugin": "Write a package with a working plugin to start from.",
}
"""Name of each command's module in this package, and its line in the help."""


class _LazyGroup(click.Group):
    """Imports a command's module when the command is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"trackbench.cli.{cmd_name.replace('-', '_')}")
        command: click.Command = module.command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            near = difflib.get_close_matches(args[0], COMMANDS, n=1)
            if not near:
                raise
            raise click.UsageError(f"{error.message} Did you mean {near[0]!r}?", ctx) from None


@click.command(
    cls=_LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, prog_name="trackbench")
def app() -> None:
    """Compare, train and use neuron matchers for whole-brain imaging of C. elegans.

    \b
    Start here:
      trackbench run                    score the default matchers on the embedded worms
      trackbench run --matchers cpd,nearest --dataset neuropal --data-dir DIR
      trackbench list                   what is installed
    """


_FORMATTED_BY_PYTHON: Final = warnings.formatwarning


def _formatted(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    line: str | None = None,
) -> str:
    """Write a warning of ours without the line of code that it comes from."""
    if issubclass(category, TrackbenchWarning):
        return f"trackbench: {message}\n"
    return _FORMATTED_BY_PYTHON(message, category, filename, lineno, line)


def main() -> None:
    """Run the command line; an error of ours is one line and its exit code, a warning one line."""
    warnings.formatwarning = _formatted
    try:
        code = app.main(standalone_mode=False)
    except click.exceptions.Abort:
        click.echo("trackbench: interrupted", err=True)
        sys.exit(130)
    except click.ClickException as error:
        error.show()
        sys.exit(2)
    except TrackbenchError as error:
        click.echo(f"trackbench: {error}", err=True)
        sys.exit(error.exit_code)
    sys.exit(code if isinstance(code, int) else 0)
