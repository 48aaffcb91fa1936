"""Weights that are shipped: safetensors with a header that says what they are.

The header is plain JSON in the file's own metadata: what kind of weights, the version of their
layout, everything that is needed to build the object, and the keys of the worms that they saw.
Nothing in such a file is executed.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

from trackbench.core.keys import animal_key
from trackbench.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from trackbench.core.types import PointCloud

__all__ = ["Weights", "load_weights", "save_fitted", "save_weights"]

HEADER: Final = "trackbench"
"""The metadata field that holds the header."""


@dataclass(frozen=True, eq=False)
class Weights:
    """The content of a weights file.

    Parameters
    ----------
    tensors : dict of str to array
        numpy arrays or torch tensors, as asked for.
    about : dict
        What the writer noted: names, sizes, calibration.
    trained_on : frozenset of str
        Keys (`core.keys.animal_key`) of the worms that the weights saw.
    """

    tensors: dict[str, Any]
    about: dict[str, Any]
    trained_on: frozenset[str]


def save_weights(
    path: Path,
    tensors: Mapping[str, Any],
    *,
    kind: str,
    version: int,
    about: Mapping[str, Any],
    trained_on: Iterable[str],
) -> None:
    """Write weights.

    Parameters
    ----------
    path : Path
    tensors : mapping of str to numpy array or torch tensor
        All of one kind.
    kind : str
        What reads them: the plugin's name.
    version : int
        Of the layout.
    about : mapping
        Anything that JSON can hold.
    trained_on : iterable of str
    """
    import numpy as np

    header = {
        "kind": kind,
        "version": version,
        "about": dict(about),
        "trained_on": sorted(set(trained_on)),
    }
    metadata = {HEADER: json.dumps(header, sort_keys=True)}
    if all(isinstance(item, np.ndarray) for item in tensors.values()):
        from safetensors.numpy import save_file as save_arrays

        save_arrays(
            {name: np.ascontiguousarray(item) for name, item in tensors.items()}, path, metadata
        )
    else:
        from safetensors.torch import save_file as save_tensors

        save_tensors({name: item.contiguous() for name, item in tensors.items()}, path, metadata)


def save_fitted(
    path: Path,
    arrays: Mapping[str, NDArray[Any]],
    *,
    kind: str,
    version: int,
    names: Sequence[str],
    worms: Sequence[PointCloud],
) -> None:
    """Write what was fitted to named worms; folders are made.

    Parameters
    ----------
    path : Path
    arrays : mapping of str to ndarray
        Written as float32.
    kind : str
        What reads them: the plugin's name.
    version : int
        Of the layout.
    names : sequence of str
        What the rows stand for.
    worms : sequence of PointCloud
        All that were seen.
    """
    import numpy as np

    path.parent.mkdir(parents=True, exist_ok=True)
    save_weights(
        path,
        {name: array.astype(np.float32) for name, array in arrays.items()},
        kind=kind,
        version=version,
        about={"names": list(names), "worms": len(worms)},
        trained_on=[animal_key(worm.zyx_um) for worm in worms],
    )


def load_weights(
    path: Path, *, kind: str, version: int, framework: Literal["numpy", "torch"] = "numpy"
) -> Weights:
    """Read weights that `save_weights` wrote.

    Parameters
    ----------
    path : Path
    kind : str
        What is expected.
    version : int
        The newest layout that the caller knows.
    framework : {"numpy", "torch"}
        What the tensors become.

    Raises
    ------
    InputError
        No such file, a file that is cut short or is no safetensors file, weights of another
        kind, or of a newer layout.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="np" if framework == "numpy" else "pt") as file:
            header = json.loads((file.metadata() or {}).get(HEADER, "{}"))
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except FileNotFoundError as error:
        raise InputError(
            f"{path}: no such weights file", "give the path of a weights file"
        ) from error
    except (SafetensorError, OSError, ValueError) as error:
        raise InputError(
            f"{path}: not a readable safetensors file ({error})", "copy or train the weights again"
        ) from error
    _check_header(path, header, kind, version)
    return Weights(tensors, header.get("about", {}), frozenset(header.get("trained_on", ())))


def _check_header(path: Path, header: Any, kind: str, version: int) -> None:
    found = header.get("kind") if isinstance(header, dict) else None
    if found != kind:
        raise InputError(
            f"{path}: weights of {found or 'something else'}, not of {kind}",
            f"give weights that trackbench train {kind} wrote",
        )
    if not isinstance(header.get("version"), int) or header["version"] > version:
        raise InputError(
            f"{path}: layout version {header.get('version')}, this program knows {version}",
            "update trackbench",
        )
