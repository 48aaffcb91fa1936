"""What the engine needs of networks, whatever computes them.

`inference.TorchNetworks` runs wherever torch does; `native_blocks.NativeNetworks` is several
times faster on processors that can run the kernels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import torch

from trackbench.plugins.fdnc.inference import TorchNetworks
from trackbench.plugins.fdnc.kernels import library, suit
from trackbench.plugins.fdnc.native_blocks import NativeNetworks
from trackbench.plugins.fdnc.weights import Trained, load_trained

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from trackbench.plugins.fdnc.config import FdncConfig
    from trackbench.plugins.fdnc.normalise import Floats

    Rows = NDArray[np.intp]

__all__ = ["Encoded", "Networks", "load_networks"]


class Encoded(Protocol):
    """What tests meet of one template."""

    @property
    def alone(self) -> tuple[Floats, ...]:
        """Scores (n,) of the template's neurons to have no partner, a level each."""


EncodedT = TypeVar("EncodedT", bound=Encoded)


class Networks(Protocol[EncodedT]):
    """The pose network and the matching network; see `posenet` and `network`.

    Clouds are arrays (b, n, 3) of float32 in µm with a mask (b, n) of bool: points, then padding.
    """

    @property
    def levels(self) -> tuple[int, ...]:
        """After how many blocks correspondence is scored."""

    def look_at_pose(self, zyx_um: Floats, mask: NDArray[np.bool_]) -> tuple[Floats, Floats]:
        """Guess slopes (b, 2) and logits (b, 2, ROLL_BINS); see `posenet.PoseGuess`."""

    def encode(self, zyx_um: Floats, *, temperature: float, none_bias: float) -> EncodedT:
        """Make what tests meet of a template (n, 3) in the anatomical frame."""

    def scores(
        self, template: EncodedT, zyx_um: Floats, mask: NDArray[np.bool_], level: int
    ) -> Floats:
        """Score tests in the anatomical frame: (b, m or more, n + 1), the last "no partner".

        By the blocks up to the first level (0) or a later one.
        """


def load_networks(config: FdncConfig, weights: Path) -> tuple[Networks[Any], Trained]:
    """Read weights and choose what computes them: the kernels, where they can do as configured.

    Raises
    ------
    InputError
        Weights that can't be used.
    """
    kernels = library() if suit(config) else None
    if kernels is not None:
        # they round themselves, and less than a network that is kept in bfloat16
        trained = load_trained(weights, torch.float32, torch.device("cpu"))
        if NativeNetworks.fits(trained):
            return NativeNetworks(kernels, trained), trained
    dtype = torch.bfloat16 if config.precision == "bfloat16" else torch.float32
    trained = load_trained(weights, dtype, torch.device(config.device))
    return TorchNetworks(trained), trained
