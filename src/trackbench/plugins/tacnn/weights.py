"""A trained network in a file, with all that is needed to use it on another frame."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

import torch

from trackbench.core import weights as files
from trackbench.errors import InputError
from trackbench.plugins.tacnn.frames import Canvas
from trackbench.plugins.tacnn.network import Architecture, TacnnNetwork

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

__all__ = ["Trained", "load_trained", "save_trained"]

KIND: Final = "tacnn"
VERSION: Final = 1


@dataclass(frozen=True, eq=False)
class Trained:
    """A network, ready to be used.

    Parameters
    ----------
    network : TacnnNetwork
    names : tuple of str
        Of the neurons; class k + 1 is the k-th.
    canvas : Canvas
    about : dict
        The training config and which frames were labelled.
    trained_on : frozenset of str
        Keys of the labelled frames.
    """

    network: TacnnNetwork
    names: tuple[str, ...]
    canvas: Canvas
    about: dict[str, Any]
    trained_on: frozenset[str]


def save_trained(
    path: Path,
    network: TacnnNetwork,
    names: Iterable[str],
    canvas: Canvas,
    *,
    about: Mapping[str, Any],
    trained_on: Iterable[str],
) -> None:
    """Write a network."""
    header = {
        **about,
        "architecture": asdict(network.architecture),
        "canvas": asdict(canvas),
        "names": list(names),
    }
    tensors = {name: tensor.cpu() for name, tensor in network.state_dict().items()}
    files.save_weights(
        path, tensors, kind=KIND, version=VERSION, about=header, trained_on=trained_on
    )


def load_trained(path: Path, device: str = "cpu") -> Trained:
    """Read a network.

    Raises
    ------
    InputError
        A file that is truncated, of another kind, of a newer version, or whose tensors aren't
        those of the architecture that its header states.
    """
    read = files.load_weights(path, kind=KIND, version=VERSION, framework="torch")
    about = dict(read.about)
    try:
        sizes = about.pop("architecture")
        network = TacnnNetwork(Architecture(**{**sizes, "widths": tuple(sizes["widths"])}))
        network.load_state_dict(read.tensors)
        canvas = about.pop("canvas")
        canvas = {key: tuple(v) if isinstance(v, list) else v for key, v in canvas.items()}
        names = tuple(str(name) for name in about.pop("names"))
        placed = Canvas(**canvas)
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise InputError(
            f"{path}: the tensors are not those of the architecture in its header ({error})",
            "use weights and program of the same release",
        ) from error
    network.eval().requires_grad_(requires_grad=False).to(torch.device(device))
    return Trained(network, names, placed, about, read.trained_on)
