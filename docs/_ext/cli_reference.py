"""A directive that writes the reference of the command line from the commands themselves."""

from __future__ import annotations

import click
from docutils import nodes
from docutils.parsers.rst import Directive

from trackbench.cli import COMMANDS, app


class CliReference(Directive):
    """Show the help of every command, as `trackbench COMMAND --help` prints it."""

    def run(self):
        context = click.Context(app, info_name="trackbench")
        commands = {name: app.get_command(context, name) for name in COMMANDS}
        return [node for name, item in commands.items() for node in _sections(name, item, context)]


def _sections(name, command, parent):
    context = click.Context(command, info_name=name, parent=parent, max_content_width=100)
    title = f"{parent.command_path} {name}"
    section = nodes.section(ids=[title.replace(" ", "-")])
    section += nodes.title(text=title)
    section += nodes.literal_block(text=command.get_help(context), language="text")
    for inner in getattr(command, "commands", {}):
        section += _sections(inner, command.commands[inner], context)
    return [section]


def setup(app):
    """Register the directive `cli-reference`."""
    app.add_directive("cli-reference", CliReference)
    return {"parallel_read_safe": True}
