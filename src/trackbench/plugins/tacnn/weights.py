"""A trained network in a file, with all that is needed to use it on another frame."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch

from trackbench.core import weights as files
from trackbench.errors import InputError
from trackbench.plugins.tacnn.estimate import Reference
from trackbench.plugins.tacnn.frames import Canvas
from trackbench.plugins.tacnn.network import Architecture, TacnnNetwork

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

__all__ = ["Trained", "load_trained", "save_trained"]

KIND: Final = "tacnn"
VERSION: Final = 1
NETWORK: Final = "network."
FRAME: Final = "frame.{}."


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
    references : tuple of Reference
        The labelled frames.
    trained_on : frozenset of str
        Keys of the labelled frames.
    """

    network: TacnnNetwork
    names: tuple[str, ...]
    canvas: Canvas
    about: dict[str, Any]
    references: tuple[Reference, ...]
    trained_on: frozenset[str]


def save_trained(
    path: Path,
    network: TacnnNetwork,
    names: Iterable[str],
    canvas: Canvas,
    references: Sequence[Reference],
    *,
    about: Mapping[str, Any],
    trained_on: Iterable[str],
) -> None:
    """Write a network and the frames that it learned, whose images are kept in half precision."""
    header = {
        **about,
        "architecture": asdict(network.architecture),
        "canvas": asdict(canvas),
        "names": list(names),
        "voxel_um": [float(step) for step in references[0].voxel_um],
        "radius_um": references[0].radius_um,
        "references": len(references),
    }
    tensors = {NETWORK + name: tensor.cpu() for name, tensor in network.state_dict().items()}
    for number, reference in enumerate(references):
        own = FRAME.format(number)
        tensors[own + "image"] = torch.from_numpy(reference.image).half()
        tensors[own + "classes"] = torch.from_numpy(reference.classes.astype(np.int32))
        tensors[own + "voxels"] = torch.from_numpy(np.asarray(reference.voxels, np.float32))
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
        weights = {name: t for name, t in read.tensors.items() if name.startswith(NETWORK)}
        network.load_state_dict({name.removeprefix(NETWORK): t for name, t in weights.items()})
        references = tuple(_reference(read.tensors, about, k) for k in range(about["references"]))
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
    return Trained(network, names, placed, about, references, read.trained_on)


def _reference(tensors: Mapping[str, Any], about: Mapping[str, Any], number: int) -> Reference:
    own = FRAME.format(number)
    return Reference(
        tensors[own + "image"].float().numpy(),
        np.array(about["voxel_um"]),
        tensors[own + "classes"].numpy().astype(np.intp),
        tensors[own + "voxels"].numpy().astype(np.float64),
        float(about["radius_um"]),
    )
