"""bfloat16 training with float32 master weights, on the optimisers of torch.

The blocks' matrices are trained by Muon (Jordan et al. 2024: momentum whose update is
orthogonalised), everything else by AdamW; both learning rates warm up, stay level, then fall
along a cosine.
"""

from __future__ import annotations

import copy
import ctypes
import math
import platform
from typing import Any

import torch
from torch import Tensor, nn

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
CLIP_NORM = 1.0
FINAL_SHARE = 0.02


class MixedPrecision:
    """A module's float32 weights, a bfloat16 copy that computes, and their moving average.

    Parameters
    ----------
    module : nn.Module
        The float32 weights.
    learning_rate, matrix_learning_rate, weight_decay : float
    average : float
        Share of the new weights in the moving average at each step.
    """

    def __init__(
        self,
        module: nn.Module,
        *,
        learning_rate: float,
        matrix_learning_rate: float,
        weight_decay: float,
        average: float,
    ) -> None:
        self.module = module
        self.working = to_bfloat16(copy.deepcopy(module))
        self.averaged = copy.deepcopy(module).requires_grad_(False)
        self.average = average
        matrices = [p for n, p in module.named_parameters() if p.ndim == 2 and "blocks" in n]
        chosen = {id(p) for p in matrices}
        others = [p for p in module.parameters() if id(p) not in chosen]
        self.optimisers: list[torch.optim.Optimizer] = [
            torch.optim.AdamW(
                others, lr=learning_rate, weight_decay=weight_decay, betas=(0.9, 0.98)
            ),
        ]
        if matrix_learning_rate:
            muon = torch.optim.Muon(matrices, lr=matrix_learning_rate, weight_decay=weight_decay)
            self.optimisers.append(muon)
        else:
            self.optimisers[0].add_param_group({"params": matrices})
        self.peaks = [[g["lr"] for g in o.param_groups] for o in self.optimisers]

    def to(self, device: str) -> None:
        """Move all three copies of the weights."""
        for copied in (self.module, self.working, self.averaged):
            copied.to(device)

    def step(self, loss: Tensor, share_of_peak: float) -> None:
        """Take one step down the gradient of a loss that the working copy gave."""
        torch.autograd.backward(loss)
        for master, worker in zip(self.module.parameters(), self.working.parameters(), strict=True):
            master.grad = None if worker.grad is None else worker.grad.float()
            worker.grad = None
        nn.utils.clip_grad_norm_(self.module.parameters(), CLIP_NORM)
        for optimiser, peaks in zip(self.optimisers, self.peaks, strict=True):
            for group, peak in zip(optimiser.param_groups, peaks, strict=True):
                group["lr"] = peak * share_of_peak
            optimiser.step()
        self._spread()

    @torch.no_grad()
    def _spread(self) -> None:
        for worker, mean, master in zip(
            self.working.parameters(),
            self.averaged.parameters(),
            self.module.parameters(),
            strict=True,
        ):
            worker.copy_(master)
            mean.lerp_(master, self.average)

    def state(self) -> dict[str, Any]:
        """Everything that a resumed run needs, as plain containers of tensors."""
        return {
            "module": self.module.state_dict(),
            "averaged": self.averaged.state_dict(),
            "optimisers": [optimiser.state_dict() for optimiser in self.optimisers],
        }

    def resume(self, state: dict[str, Any]) -> None:
        """Continue from `state`."""
        self.module.load_state_dict(state["module"])
        self.averaged.load_state_dict(state["averaged"])
        for optimiser, saved in zip(self.optimisers, state["optimisers"], strict=True):
            optimiser.load_state_dict(saved)
        with torch.no_grad():
            for worker, master in zip(
                self.working.parameters(), self.module.parameters(), strict=True
            ):
                worker.copy_(master)


def to_bfloat16(module: nn.Module) -> nn.Module:
    """Turn the parameters of a module into bfloat16; buffers (frequencies) stay as they are."""
    for parameter in module.parameters():
        parameter.data = parameter.data.to(torch.bfloat16)
    return module


def schedule(step: int, steps: int, warm_up: int, decay: int) -> float:
    """Share of the peak learning rate: a linear warm-up, level, a cosine down to a fiftieth.

    Parameters
    ----------
    step, steps : int
    warm_up, decay : int
        Steps at the beginning and at the end.
    """
    if step < warm_up:
        return (step + 1) / warm_up
    progress = min(1.0, max(0.0, (step - steps + decay) / max(1, decay)))
    return FINAL_SHARE + (1 - FINAL_SHARE) * 0.5 * (1 + math.cos(math.pi * progress))


def keep_freed_memory() -> None:
    """Tell the C library not to hand freed blocks back at once (Linux with glibc).

    A training step frees and takes the same large blocks again; mapping them anew each time
    costs as much as the arithmetic.
    """
    if platform.libc_ver()[0] == "glibc":
        library = ctypes.CDLL(None)
        library.mallopt(M_MMAP_THRESHOLD, 1 << 30)
        library.mallopt(M_TRIM_THRESHOLD, (1 << 31) - 1)
