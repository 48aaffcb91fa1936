"""A directive that lists every protocol of the installed datasets, with published numbers."""

from __future__ import annotations

from docutils import nodes
from docutils.parsers.rst import Directive

from trackbench.core.registry import load_registry


class ProtocolTables(Directive):
    """Show each dataset's protocols: description, headline metric, splits, published numbers."""

    def run(self):
        found = []
        for name, registered in sorted(load_registry().datasets().items()):
            for protocol in registered.cls().protocols():
                found += _protocol(name, protocol)
        return found


def _protocol(dataset, protocol):
    section = nodes.section(ids=[f"protocol-{protocol.name}"])
    section += nodes.title(text=f"{protocol.name} ({dataset})")
    splits = ", ".join(protocol.splits)
    section += nodes.paragraph(text=f"{protocol.description}.")
    section += nodes.paragraph(text=f"Headline metric: {protocol.metric}. Splits: {splits}.")
    if protocol.published:
        section += _published(protocol.published)
    return [section]


def _published(rows):
    table = nodes.table()
    group = nodes.tgroup(cols=4)
    table += group
    for width in (25, 15, 10, 50):
        group += nodes.colspec(colwidth=width)
    head, body = nodes.thead(), nodes.tbody()
    group += head
    group += body
    head += _row(("published method", "metric", "value", "source and caveat"))
    for row in rows:
        source = f"{row.source}. {row.note}" if row.note else row.source
        body += _row((row.method, row.metric, f"{row.value:.3f}", source))
    return table


def _row(cells):
    row = nodes.row()
    for cell in cells:
        entry = nodes.entry()
        entry += nodes.paragraph(text=cell)
        row += entry
    return row


def setup(app):
    """Register the directive `protocol-tables`."""
    app.add_directive("protocol-tables", ProtocolTables)
    return {"parallel_read_safe": True}
