"""The trained network as a segmenter: where the neurons are, and who each of them is."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Final

import numpy as np

from trackbench.core.plugin import Segmenter
from trackbench.core.types import Evidence, PointCloud
from trackbench.errors import PluginError
from trackbench.plugins.tacnn.config import TacnnConfig

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from trackbench.core.types import Volume
    from trackbench.plugins.tacnn.decode import Found
    from trackbench.plugins.tacnn.weights import Trained

__all__ = ["TacnnSegmenter", "evidence_of"]

UNTRAINED: Final = "knows no worm before it is trained: give weights"
LEAST_PROBABILITY: Final = 1e-6


class TacnnSegmenter(Segmenter[TacnnConfig]):
    """A 3D network that gives every voxel an identity, trained on a few frames of one worm."""

    name = "tacnn"
    Config = TacnnConfig
    cite = "Park et al. 2023, Nature Methods, doi 10.1038/s41592-023-02096-3"
    expected_failures: ClassVar[Mapping[str, str]] = {
        "finds_balls": UNTRAINED,
        "empty_volume": UNTRAINED,
        "deterministic": UNTRAINED,
        "inputs_unchanged": UNTRAINED,
        "spawn_and_kill": UNTRAINED,
    }

    @cached_property
    def trained(self) -> Trained:
        """The network.

        Raises
        ------
        PluginError
            No weights were given.
        InputError
            A file that can't be used.
        """
        from trackbench.plugins.tacnn.weights import load_trained

        if self.config.weights is None:
            raise PluginError(
                "tacnn has no weights: it learns one recording from a few labelled frames of it",
                "train it with trackbench train tacnn, then use tacnn[weights=FILE]",
            )
        return load_trained(self.config.weights, self.config.device)

    @property
    def trained_on(self) -> frozenset[str]:
        """Keys of the frames whose labels the network saw."""
        return self.trained.trained_on if self.config.weights is not None else frozenset()

    def segment(self, volume: Volume) -> PointCloud:
        """Find the neurons that the network knows; who they are is the cloud's evidence."""
        from trackbench.plugins.tacnn.frames import prepare

        trained = self.trained
        frame = prepare(volume, trained.canvas)
        found = self._find(frame.image)
        return PointCloud(
            frame.to_um(found.voxels),
            id=volume.id,
            evidence=evidence_of(trained.names, found.probability),
        )

    def label_volume(self, volume: Volume) -> NDArray[np.int16]:
        """Give every voxel (z, y, x) of a volume its neuron: 0 = none, k = the k-th name."""
        from trackbench.plugins.tacnn.decode import keep_largest
        from trackbench.plugins.tacnn.frames import prepare, return_labels
        from trackbench.plugins.tacnn.guide import guided
        from trackbench.plugins.tacnn.learner import predict

        trained = self.trained
        frame = prepare(volume, trained.canvas)
        probability = predict(trained.network, frame.image)
        if self._is_guided:
            width = self.config.guide_um
            probability = guided(probability, frame.image, trained.references, width)
        answer = probability.argmax(axis=3).astype(np.int16)
        kept = keep_largest(answer, self.config.fewest_voxels)
        shape = volume.data.shape[1:]
        return return_labels(kept, trained.canvas, (shape[0], shape[1], shape[2]))

    @property
    def _is_guided(self) -> bool:
        # a mask is no ball around its neuron's place
        return self.config.guide_um > 0 and not self.trained.about.get("masks")

    def _find(self, image: NDArray[np.float32]) -> Found:
        from trackbench.plugins.tacnn.decode import find_neurons
        from trackbench.plugins.tacnn.guide import locate
        from trackbench.plugins.tacnn.learner import predict

        probability = predict(self.trained.network, image)
        if self._is_guided:
            return locate(probability, image, self.trained.references, self.config.guide_um)
        return find_neurons(probability, image[0], self.config.fewest_voxels)


def evidence_of(names: tuple[str, ...], probability: NDArray[Any]) -> Evidence:
    """Make a table over names of probabilities (n, 1 + names), background first."""
    ordered = np.hstack([probability[:, 1:], probability[:, :1]]) + LEAST_PROBABILITY
    return Evidence(names, np.log(ordered / ordered.sum(axis=1, keepdims=True)))
