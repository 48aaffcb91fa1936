"""Several trained networks as one: packing, unpacking, reading, calibration."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch

from trackbench.plugins.identity.asymmetry import Asymmetry
from trackbench.plugins.identity.calibration import UNCALIBRATED, Calibration, calibrated, mixed
from trackbench.plugins.identity.features import color_features
from trackbench.plugins.identity.inference import NameAtlas, Reading, read_worm
from trackbench.plugins.identity.network import IdentityNetwork, NetworkConfig
from trackbench.plugins.identity.search import SearchConfig

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from trackbench.core.geometry import FloatArray
    from trackbench.core.types import PointCloud
    from trackbench.core.weights import Weights
    from trackbench.plugins.identity.labeler import IdentityConfig


@dataclass(frozen=True, eq=False)
class Ensemble:
    """Networks of one shape, the names they know, and their calibration.

    Parameters
    ----------
    networks : tuple of IdentityNetwork
    uses : tuple of str
        What each reads: "always", worms with "color", or those with "position" alone. The
        first that reads a worm finds its pose and handedness.
    names : tuple of str
    atlas : NameAtlas
    asymmetry : Asymmetry
    with_color, without_color : Calibration
    trained_on : frozenset of str
    """

    networks: tuple[IdentityNetwork, ...]
    uses: tuple[str, ...]
    names: tuple[str, ...]
    atlas: NameAtlas
    asymmetry: Asymmetry
    with_color: Calibration = UNCALIBRATED
    without_color: Calibration = UNCALIBRATED
    trained_on: frozenset[str] = frozenset()

    @classmethod
    def from_weights(cls, weights: Weights) -> Ensemble:
        """Build the networks of a weights file."""
        about = weights.about
        config = NetworkConfig.model_validate(about["network"])
        names = tuple(about["names"])
        networks = []
        for member in range(len(about["uses"])):
            prefix = f"{member}."
            state = {
                name.removeprefix(prefix): tensor.float()
                for name, tensor in weights.tensors.items()
                if name.startswith(prefix)
            }
            network = IdentityNetwork(config, len(names))
            network.load_state_dict(state)
            networks.append(network.eval().rounded())
        return cls(
            tuple(networks),
            tuple(about["uses"]),
            names,
            NameAtlas(*(weights.tensors[name].double().numpy() for name in ("means", "colors"))),
            Asymmetry.from_arrays(_asymmetric(weights.tensors), names),
            Calibration.model_validate(about["with_color"]),
            Calibration.model_validate(about["without_color"]),
            weights.trained_on,
        )

    def read(self, test: PointCloud, config: IdentityConfig) -> NDArray[np.float32]:
        """Read one worm: calibrated log-probabilities, (n, k + 1).

        Parameters
        ----------
        test : PointCloud
            At least four neurons.
        config : IdentityConfig
        """
        search = SearchConfig(
            rolls=config.rolls,
            kept=config.kept,
            rounds=config.rounds,
        )
        calibration = self.without_color if test.color is None else self.with_color
        readings = self.raw(test, search)
        tables = [calibrated(reading.log_p, calibration) for reading in readings]
        if len(tables) == 1:
            return tables[0].astype(np.float32)
        logits = [
            reading.handedness / calibration.hand_temperature
            + self.asymmetry.support(reading.zyx_um, table) / calibration.asymmetry_temperature
            for reading, table in zip(readings, tables, strict=True)
        ]
        return mixed(tables, logits, calibration.hand_doubt).astype(np.float32)

    def raw(self, test: PointCloud, search: SearchConfig) -> tuple[Reading, ...]:
        """Read one worm under each handedness that it may have, before calibration."""
        wanted = ("always", "position" if test.color is None else "color")
        return read_worm(
            [net for net, use in zip(self.networks, self.uses, strict=True) if use in wanted],
            self.atlas,
            test.zyx_um.astype(np.float64),
            color_features(test.color, len(test)),
            mirrored=test.mirrored,
            config=search,
        )


def pack(
    networks: Sequence[IdentityNetwork], atlas: NameAtlas, asymmetry: Asymmetry
) -> dict[str, torch.Tensor]:
    """Give the tensors of a weights file; the networks' are rounded to bfloat16."""
    tensors = {
        "means": torch.from_numpy(atlas.means).float(),
        "colors": torch.from_numpy(atlas.colors).float(),
        **packed_asymmetry(asymmetry),
    }
    for member, network in enumerate(networks):
        for name, tensor in network.state_dict().items():
            tensors[f"{member}.{name}"] = tensor.bfloat16()
    return tensors


def packed_asymmetry(asymmetry: Asymmetry) -> dict[str, torch.Tensor]:
    """Give the tensors of a weights file that hold the asymmetry."""
    return {
        ASYMMETRY + name: torch.from_numpy(array).float()
        for name, array in asymmetry.arrays().items()
    }


def has_asymmetry(weights: Weights) -> bool:
    """Say whether a weights file holds the asymmetry: the first layouts didn't."""
    return ASYMMETRY + "mean" in weights.tensors


def _asymmetric(tensors: Mapping[str, torch.Tensor]) -> dict[str, FloatArray]:
    return {
        name.removeprefix(ASYMMETRY): tensor.double().numpy()
        for name, tensor in tensors.items()
        if name.startswith(ASYMMETRY)
    }


ASYMMETRY: Final = "asymmetry."
"""Prefix of the tensors of the asymmetry."""


def describe(
    network: NetworkConfig,
    names: Sequence[str],
    uses: Sequence[str],
    with_color: Calibration,
    without_color: Calibration,
) -> dict[str, Any]:
    """Give what the header of a weights file says of the networks."""
    return {
        "network": network.model_dump(),
        "names": list(names),
        "uses": list(uses),
        "with_color": with_color.model_dump(),
        "without_color": without_color.model_dump(),
    }
