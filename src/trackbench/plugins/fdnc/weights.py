"""Both networks of a training run in one file, with what they are and which worms they saw.

What doesn't fit is refused as a whole: there is no partial load.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

import torch

from trackbench.core import weights as files
from trackbench.errors import InputError
from trackbench.plugins.fdnc.network import Architecture, MatchingNetwork
from trackbench.plugins.fdnc.posenet import PoseNet

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from torch import nn

__all__ = ["Trained", "load_trained", "save_trained"]

KIND: Final = "fdnc"
VERSION: Final = 1
TRAINING_ONLY: Final = "namer."
POSE, MATCH = "pose.", "match."


@dataclass(frozen=True, eq=False)
class Trained:
    """Both networks, ready to be used.

    Parameters
    ----------
    poses : PoseNet
    network : MatchingNetwork
    about : dict
        The training config and the simulator's version.
    trained_on : frozenset of str
        Keys of the worms that the weights saw.
    """

    poses: PoseNet
    network: MatchingNetwork
    about: dict[str, Any]
    trained_on: frozenset[str]


def save_trained(
    path: Path,
    poses: nn.Module,
    network: nn.Module,
    *,
    about: Mapping[str, Any],
    trained_on: Iterable[str],
) -> None:
    """Write both networks in bfloat16, without the parts that only training needs."""
    if not isinstance(network, MatchingNetwork):
        raise TypeError(f"{type(network).__name__} is no MatchingNetwork")
    tensors = {POSE + name: value for name, value in poses.state_dict().items()}
    for name, value in network.state_dict().items():
        if not name.startswith(TRAINING_ONLY):
            tensors[MATCH + name] = value
    sizes = {**asdict(network.architecture), "names": 0}
    files.save_weights(
        path,
        {name: value.to("cpu", torch.bfloat16) for name, value in tensors.items()},
        kind=KIND,
        version=VERSION,
        about={**about, "architecture": sizes},
        trained_on=trained_on,
    )


def load_trained(path: Path, dtype: torch.dtype, device: torch.device) -> Trained:
    """Read both networks.

    Parameters
    ----------
    path : Path
    dtype : torch.dtype
        In which the matching network computes. The pose network is so small that float32 is
        faster for a lone cloud and no slower for many.
    device : torch.device

    Raises
    ------
    InputError
        A file that is truncated, of another kind, of a newer version, or whose tensors aren't
        those of the architecture that its header states.
    """
    read = files.load_weights(path, kind=KIND, version=VERSION, framework="torch")
    try:
        sizes = read.about["architecture"]
        network = MatchingNetwork(Architecture(**{**sizes, "deep": tuple(sizes["deep"])}))
        poses = PoseNet()
        network.load_state_dict(_under(MATCH, read.tensors))
        poses.load_state_dict(_under(POSE, read.tensors))
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise InputError(
            f"{path}: the tensors are not those of the architecture in its header ({error})",
            "use weights and program of the same release",
        ) from error
    for module in (poses, network):
        module.eval().requires_grad_(False).to(device)
    for parameter in network.parameters():
        parameter.data = parameter.data.to(dtype)
    return Trained(poses, network, read.about, read.trained_on)


def _under(prefix: str, tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {
        name.removeprefix(prefix): value
        for name, value in tensors.items()
        if name.startswith(prefix)
    }
