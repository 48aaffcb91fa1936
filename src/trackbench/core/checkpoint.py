"""The file that a training run goes on from after it was ended."""

from __future__ import annotations

from pickle import UnpicklingError
from typing import TYPE_CHECKING, Any
from zipfile import is_zipfile

import torch

from trackbench.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["Checkpoint"]


class Checkpoint:
    """One file, whole at any moment, that only the run that wrote it goes on from.

    Parameters
    ----------
    path : Path
    run : str
        All that the run depends on: its config as JSON, or a key of its content.
    """

    def __init__(self, path: Path, run: str) -> None:
        self.path, self.run = path, run

    def load(self) -> dict[str, Any] | None:
        """Give the state that was saved last, None where the run is new.

        Raises
        ------
        InputError
            The file is of another run, or is no checkpoint.
        """
        if not self.path.exists():
            return None
        saved = self._read()
        if not isinstance(saved, dict) or saved.get("run") != self.run:
            raise InputError(
                f"{self.path} belongs to a run with another config or other data",
                "train into another folder, or remove the old run",
            )
        state: dict[str, Any] = saved["state"]
        return state

    def _read(self) -> Any:
        try:
            if is_zipfile(self.path):  # what isn't would be read as an older format, anyhow
                return torch.load(self.path, weights_only=True)
            problem: Exception | None = None
        except (OSError, RuntimeError, UnpicklingError) as error:
            problem = error
        raise InputError(
            f"{self.path}: not a readable checkpoint", "remove it, or train into another folder"
        ) from problem

    def save(self, state: Mapping[str, Any]) -> None:
        """Write a state of tensors, numbers, strings and containers of them."""
        partial = self.path.with_suffix(".partial")
        torch.save({"run": self.run, "state": dict(state)}, partial)
        partial.replace(self.path)
