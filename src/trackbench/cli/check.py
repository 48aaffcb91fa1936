"""``trackbench check``: whether a plugin holds what every plugin must."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from trackbench.core.registry import Registered, Registry

__all__ = ["command"]

MARKS = {"ok": "✓", "expected failure": "~", "failed": "✗", "unexpected pass": "✗"}


@click.command("check")
@click.argument("plugin")
def command(plugin: str) -> int:
    """Run the conformance checks on PLUGIN, a name from `trackbench list`.

    Determinism, order of rows, batching, moved and turned worms, empty and single-point clouds,
    no NaN, inputs left unchanged, light import, another process after one that was killed,
    better than chance. A check that your plugin fails by design is declared in its class,
    with the reason:

    \b
      expected_failures = {"rotation": "it compares positions as they are"}

    Exit code 0 where the plugin conforms, 3 where a check failed.
    """
    from trackbench.core.registry import load_registry
    from trackbench.testing import run_checks

    bad = 0
    for registered in _find(load_registry(), plugin):
        click.secho(f"{registered.kind} {plugin} ({registered.distribution})", bold=True)
        for outcome in run_checks(registered):
            bad += not outcome.good
            reason = f"  {outcome.reason}" if outcome.status != "ok" else ""
            click.echo(f"  {MARKS[outcome.status]} {outcome.check.name:<18}{outcome.check.says}")
            if reason:
                click.echo(f"      {outcome.status}:{reason}")
    click.echo("conforms" if not bad else f"{bad} checks failed")
    return 3 if bad else 0


def _find(registry: Registry, plugin: str) -> list[Registered]:
    kinds = (registry.segmenters(), registry.matchers(), registry.labelers(), registry.datasets())
    found = [plugins[plugin] for plugins in kinds if plugin in plugins]
    return found or [registry.find("matcher", plugin)]
