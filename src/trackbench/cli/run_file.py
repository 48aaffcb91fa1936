"""``--config FILE`` and ``--profile NAME``: defaults of a command's options, read from a file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click
from click.core import ParameterSource

from trackbench.errors import InputError, TrackbenchError

if TYPE_CHECKING:
    from collections.abc import Callable

    from trackbench.benchmarks.runfile import RunFile

__all__ = ["file_options", "parts_of"]

FILES: Final = "trackbench.run_files"
NOT_IN_FILES: Final = frozenset({"config", "profile", "dry-run", "help"})
GROUPS: Final = (("datasets", "protocols", "split"), ("segmenters", "matchers", "labelers"))
"""Parameters that a part sets together: on what, and with what."""


def file_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add both options to a command: what is typed counts more than a file, that than a profile."""
    config = click.option(
        "--config",
        type=click.Path(path_type=Path, dir_okay=False),
        is_eager=True,
        expose_value=False,
        callback=_read_config,
        help="TOML with these options by name; what is typed counts more.",
    )
    profile = click.option(
        "--profile",
        metavar="NAME",
        is_eager=True,
        expose_value=False,
        callback=_read_profile,
        help="Options that come with trackbench: quick, ci or full.",
    )
    return config(profile(command))


def parts_of(context: click.Context) -> tuple[dict[str, Any], ...]:
    """Give the parts that the files ask for, by parameter name.

    Where a part says on what or with what to run, and the same is said on a level that counts
    more, that is dropped from all parts.
    """
    files = _files(context)
    names = _parameters(context)
    for level in ("config", "profile"):
        if level in files and files[level].parts:
            typed = {
                name
                for name in names.values()
                if context.get_parameter_source(name) is ParameterSource.COMMANDLINE
            }
            if level == "profile" and "config" in files:
                typed |= {names[key] for key in files["config"].values if key in names}
            dropped = {name for group in GROUPS if typed & {*group} for name in group}
            return tuple(
                {names[key]: value for key, value in part.items() if names[key] not in dropped}
                for part in files[level].parts
            )
    return ()


def _read_config(
    context: click.Context, _parameter: click.Parameter, path: Path | None
) -> Path | None:
    if path is not None:
        found = _read(context, path)
        _files(context)["config"] = found
        _set_defaults(context)
    return path


def _read_profile(
    context: click.Context, _parameter: click.Parameter, name: str | None
) -> str | None:
    from trackbench.benchmarks.runfile import profile_path

    if name is not None:
        _files(context)["profile"] = _read(context, profile_path(name))
        _set_defaults(context)
    return name


def _files(context: click.Context) -> dict[str, RunFile]:
    files: dict[str, RunFile] = context.meta.setdefault(FILES, {})
    return files


def _read(context: click.Context, path: Path) -> RunFile:
    from trackbench.benchmarks.runfile import read_run_file

    keys = [key for key in _parameters(context) if key not in NOT_IN_FILES]
    return read_run_file(path, keys)


def _set_defaults(context: click.Context) -> None:
    files = _files(context)
    found: dict[str, Any] = {}
    for level in ("profile", "config"):
        if level in files:
            found |= _defaults(context, files[level])
    context.default_map = found


def _defaults(context: click.Context, file: RunFile) -> dict[str, Any]:
    """Give values by parameter name, each checked by its option."""
    names = _parameters(context)
    options = {item.name: item for item in context.command.params}
    found: dict[str, Any] = {names["gates"]: file.path} if file.has_gates else {}
    for key, value in file.values.items():
        option = options[names[key]]
        flag = isinstance(option, click.Option) and option.is_flag
        try:
            if flag is not isinstance(value, bool):
                raise click.BadParameter("true or false" if flag else "not true or false")
            converted = option.type_cast_value(context, value)
        except (click.BadParameter, TrackbenchError) as error:
            said = error.message if isinstance(error, click.BadParameter) else str(error)
            raise InputError(
                f"{file.path}: {key} = {value!r}: {said}", f"see trackbench run --help, --{key}"
            ) from None
        meant = file.path.parent / converted if isinstance(converted, Path) else converted
        found[names[key]] = meant
    return found


def _parameters(context: click.Context) -> dict[str, str]:
    """Give parameter names by long option."""
    return {
        text.removeprefix("--"): item.name
        for item in context.command.params
        for text in item.opts
        if text.startswith("--") and item.name is not None
    }
