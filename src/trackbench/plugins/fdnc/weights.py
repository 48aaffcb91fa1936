"""The weights' file: safetensors whose header says what they are and which worms they saw.

Nothing in such a file is executed when it is read. What doesn't fit is refused as a whole:
there is no partial load.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import nn

from trackbench.errors import InputError
from trackbench.plugins.fdnc.network import Architecture, MatchingNetwork
from trackbench.plugins.fdnc.posenet import PoseNet

FORMAT = "trackbench-fdnc"
VERSION = 1
TRAINING_ONLY = "namer."


@dataclass(frozen=True)
class Provenance:
    """Where weights come from.

    Parameters
    ----------
    config : str
        The training config as JSON.
    trained_on : tuple of str
        Keys of the worms that the weights saw, sorted.
    """

    config: str
    trained_on: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Weights:
    """Both networks and where they come from."""

    poses: PoseNet
    network: MatchingNetwork
    provenance: Provenance


def save_weights(
    path: Path, poses: nn.Module, network: MatchingNetwork, provenance: Provenance
) -> None:
    """Write both networks in bfloat16, without the parts that only training needs."""
    tensors = {f"pose.{name}": value for name, value in poses.state_dict().items()}
    for name, value in network.state_dict().items():
        if not name.startswith(TRAINING_ONLY):
            tensors[f"match.{name}"] = value
    sizes = {**asdict(network.architecture), "names": 0}
    metadata = {
        "format": FORMAT,
        "version": str(VERSION),
        "architecture": json.dumps(sizes),
        "config": provenance.config,
        "trained_on": json.dumps(sorted(provenance.trained_on)),
    }
    rounded = {name: value.to("cpu", torch.bfloat16).contiguous() for name, value in tensors.items()}
    save_file(rounded, path, metadata=metadata)


def load_weights(path: Path, dtype: torch.dtype = torch.float32) -> Weights:
    """Read weights.

    Parameters
    ----------
    path : Path
    dtype : torch.dtype
        In which the networks compute.

    Raises
    ------
    InputError
        A file that is truncated, of another kind, of a newer version, or whose tensors aren't
        those of the architecture that its header states.
    """
    try:
        with safe_open(path, framework="pt") as file:
            header = file.metadata() or {}
            _check_header(path, header)
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise InputError(f"{path}: not readable as weights ({error})", "fetch it again") from error
    try:
        architecture = _architecture(json.loads(header["architecture"]))
        poses, network = PoseNet(), MatchingNetwork(architecture)
        poses.load_state_dict(_under("pose.", tensors))
        network.load_state_dict(_under("match.", tensors))
        provenance = Provenance(header["config"], tuple(json.loads(header["trained_on"])))
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise InputError(
            f"{path}: the tensors are not those of its architecture ({error})",
            "use weights and program of the same release",
        ) from error
    for module in (poses, network):
        module.eval().requires_grad_(False)
        for parameter in module.parameters():
            parameter.data = parameter.data.to(dtype)
    return Weights(poses, network, provenance)


def _check_header(path: Path, header: dict[str, str]) -> None:
    if header.get("format") != FORMAT:
        raise InputError(f"{path}: not weights of fdnc", f"its header must say format={FORMAT}")
    version = header.get("version", "")
    if not version.isdigit() or int(version) > VERSION:
        raise InputError(
            f"{path}: weights of version {version or '?'}, this program reads up to {VERSION}",
            "install a newer trackbench",
        )


def _architecture(sizes: dict[str, Any]) -> Architecture:
    return Architecture(**{**sizes, "deep": tuple(sizes["deep"])})


def _under(prefix: str, tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {
        name.removeprefix(prefix): value
        for name, value in tensors.items()
        if name.startswith(prefix)
    }
