"""The network of the fDNC paper, for comparison (Yu et al. 2021, eLife 10:e66410).

Joint self-attention over the concatenated tokens of template and test: post-norm layers with a
feed-forward of 2048, a constant 1 added to every feature of the template's tokens, scores
without a temperature, one outlier score a test neuron.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

PARAMETERS = 3_559_041


class PublishedNetwork(nn.Module):
    """Positions of two worms in units of 84 µm to log-probabilities.

    Parameters
    ----------
    width, heads, feed_forward, layers : int
        The defaults are the published sizes.
    """

    def __init__(
        self, width: int = 128, heads: int = 8, feed_forward: int = 2048, layers: int = 6
    ) -> None:
        super().__init__()
        self.embed = nn.Conv1d(3, width, 1)
        self.norm = nn.BatchNorm1d(width)
        self.layers = nn.ModuleList(
            nn.TransformerEncoderLayer(width, heads, feed_forward, batch_first=True)
            for _ in range(layers)
        )
        self.outlier = nn.Linear(width, 1)

    def forward(self, template: Tensor, tests: Tensor, mask: Tensor) -> Tensor:
        """Match tests to one template.

        Parameters
        ----------
        template : Tensor, (n, 3)
        tests : Tensor, (b, m, 3)
        mask : Tensor of bool, (b, m)
            False where padded.

        Returns
        -------
        Tensor, (b, m, n + 1)
            Log-probabilities; the last column is "no partner".
        """
        count = len(template)
        points = torch.cat([template.expand(len(tests), -1, -1), tests], dim=1)
        tokens = self.norm(self.embed(points.mT)).mT
        segment = torch.zeros_like(tokens)
        segment[:, :count] = 1.0
        padding = torch.cat([mask.new_zeros(len(tests), count), ~mask], dim=1)
        tokens = tokens + segment
        for layer in self.layers:
            tokens = layer(tokens, src_key_padding_mask=padding)
        ours, theirs = tokens[:, :count], tokens[:, count:]
        scores = torch.cat([theirs @ ours.mT, self.outlier(theirs)], dim=-1)
        return scores.log_softmax(-1)
