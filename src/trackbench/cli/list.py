"""``trackbench list``: what is installed, what failed and why."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from trackbench.core.registry import Registered, Registry

__all__ = ["command"]

KINDS = ("segmenter", "matcher", "labeler", "dataset")


@click.command("list")
@click.option("--failed", is_flag=True, help="Only the plugins that could not be loaded, and why.")
@click.option(
    "-v", "--verbose", is_flag=True, help="Parameters with ranges, protocols, what computes."
)
def command(*, failed: bool, verbose: bool) -> None:
    """List segmenters, matchers, labelers, datasets and protocols.

    \b
    Use a plugin by its name, with parameters in brackets and | for a sweep:
      cpd    cpd[beta=20,w=0.1]    cpd[beta=10|20|30]    vote+color[weight=0.5]
    """
    from trackbench.core.registry import load_registry

    registry = load_registry()
    if failed:
        for failure in registry.failures:
            click.echo(failure)
        if not registry.failures:
            click.echo("every plugin loaded")
        return
    for kind in KINDS:
        _print_kind(registry, kind, verbose=verbose)
    if registry.failures:
        click.echo(f"\n{len(registry.failures)} failed to load: trackbench list --failed")


def _print_kind(registry: Registry, kind: str, *, verbose: bool) -> None:
    plugins: dict[str, Registered] = getattr(registry, f"{kind}s")()
    click.secho(f"\n{kind}s", bold=True)
    for name, found in sorted(plugins.items()):
        summary = (found.cls.__doc__ or "").strip().split("\n")[0]
        origin = "" if found.distribution == "trackbench" else f"  [{found.distribution}]"
        click.echo(f"  {name:<16} {summary}{origin}")
        if verbose:
            _print_details(found)


def _print_details(found: Registered) -> None:
    from trackbench.core.configure import describe_fields
    from trackbench.core.plugin import Dataset, Plugin

    if found.cls.backend is not Plugin.backend:
        click.echo(f"      computed by: {found.cls().backend}")
    for field, values, description in describe_fields(found.cls.Config):
        click.echo(f"      {field}: {values}  {description}")
    if found.cls.cite:
        click.echo(f"      cite: {found.cls.cite}")
    if issubclass(found.cls, Dataset):
        for protocol in found.cls().protocols():
            splits = "|".join(protocol.splits)
            click.echo(f"      protocol {protocol.name} ({splits}): {protocol.description}")
