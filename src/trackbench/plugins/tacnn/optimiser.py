"""Muon for the kernels of the convolutions, AdamW for everything else.

Muon is momentum whose update is orthogonalised (Jordan et al. 2024); a kernel counts as a matrix
of outputs by everything else. On one labelled frame it reached in 60 steps what AdamW alone had
not reached in 120.
"""

from __future__ import annotations

from typing import Any, Final

import torch
from torch import Tensor, nn

__all__ = ["MixedOptimiser"]

COEFFICIENTS: Final = (3.4445, -4.7750, 2.0315)
"""Of the quintic Newton-Schulz iteration of Jordan et al."""

ITERATIONS: Final = 5
MOMENTUM: Final = 0.9
DECAY: Final = 0.01


class MixedOptimiser:
    """Both optimisers under one learning rate.

    Parameters
    ----------
    network : nn.Module
    learning_rate, kernel_learning_rate : float
        Of AdamW and of Muon.
    """

    def __init__(
        self, network: nn.Module, learning_rate: float, kernel_learning_rate: float
    ) -> None:
        self.kernels = [p for p in network.parameters() if p.ndim == 5 and min(p.shape[:2]) > 4]
        chosen = {id(p) for p in self.kernels}
        others = [p for p in network.parameters() if id(p) not in chosen]
        self.adam = torch.optim.AdamW(others, lr=learning_rate, weight_decay=1e-3)
        self.momenta = [torch.zeros_like(p) for p in self.kernels]
        self.learning_rate, self.kernel_learning_rate = learning_rate, kernel_learning_rate

    def zero_grad(self) -> None:
        """Forget the gradients."""
        for parameter in (*self.kernels, *self.adam.param_groups[0]["params"]):
            parameter.grad = None

    @torch.no_grad()
    def step(self, share: float) -> None:
        """Take a step at a share of the learning rates."""
        self.adam.param_groups[0]["lr"] = self.learning_rate * share
        self.adam.step()
        rate = self.kernel_learning_rate * share
        for kernel, momentum in zip(self.kernels, self.momenta, strict=True):
            if kernel.grad is None:
                continue
            momentum.mul_(MOMENTUM).add_(kernel.grad)
            update = _orthogonal((kernel.grad + MOMENTUM * momentum).flatten(1))
            tallness = max(1.0, kernel.shape[0] / update.shape[1]) ** 0.5
            kernel.mul_(1 - rate * DECAY).add_(update.view_as(kernel), alpha=-rate * tallness)

    def state_dict(self) -> dict[str, Any]:
        """Everything that a resumed run needs."""
        return {"adam": self.adam.state_dict(), "momenta": self.momenta}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from a state."""
        self.adam.load_state_dict(state["adam"])
        for own, saved in zip(self.momenta, state["momenta"], strict=True):
            own.copy_(saved)


def _orthogonal(matrix: Tensor) -> Tensor:
    """Bring all singular values close to 1."""
    first, third, fifth = COEFFICIENTS
    tall = matrix.shape[0] > matrix.shape[1]
    x = matrix.T if tall else matrix
    x = x / (x.norm() + 1e-7)
    for _ in range(ITERATIONS):
        square = x @ x.T
        x = first * x + (third * square + fifth * square @ square) @ x
    result: Tensor = x.T if tall else x
    return result
