"""What is done already: a folder beside the output with a small file a job, whole or absent."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Final

import numpy as np

from trackbench.benchmarks.atomic import make_folder, write_atomically
from trackbench.errors import UsageError
from trackbench.track.batch import Found

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

__all__ = ["Parts"]

ARRAYS: Final = ("zyx_um", "column", "candidate", "log_p", "log_none")


class Parts:
    """The finished jobs of one run.

    Parameters
    ----------
    out : Path
        The output; the folder is called ``<out>.parts``.
    key : str
        Of the plan.

    Raises
    ------
    UsageError
        The folder holds another plan's work.
    StoreError
        The folder can't be written.
    """

    def __init__(self, out: Path, key: str) -> None:
        self.folder = _folder(out)
        stamp = self.folder / "plan.json"
        if stamp.exists() and json.loads(stamp.read_text(encoding="utf-8")) != {"key": key}:
            raise UsageError(
                f"{self.folder} holds an unfinished run with other settings, another recording or "
                "code that computes otherwise (another version, with or without native kernels)",
                "give the same settings as then, another -o, or --overwrite",
            )
        make_folder(self.folder)
        write_atomically(stamp, lambda file: file.write(json.dumps({"key": key}).encode()))

    def has(self, job: int) -> bool:
        """Tell whether a job is done."""
        return self._path(job).exists()

    def save(self, job: int, volumes: Sequence[Found]) -> None:
        """Keep a job's volumes; after that no kill can take them.

        Raises
        ------
        StoreError
            The disk is full.
        """
        arrays = {name: np.concatenate([getattr(v, name) for v in volumes]) for name in ARRAYS}
        arrays["count"] = np.array([len(volume.zyx_um) for volume in volumes])
        arrays["status"] = np.array([volume.status for volume in volumes])
        arrays["note"] = np.array([volume.note for volume in volumes], dtype=np.str_)
        write_atomically(self._path(job), lambda file: np.savez(file, **arrays))  # type: ignore[arg-type]

    def load(self, job: int) -> list[Found]:
        """Give a job's volumes."""
        with np.load(self._path(job), allow_pickle=False) as held:
            arrays = {name: held[name] for name in held.files}
        ends = np.cumsum(arrays["count"])
        found = []
        for i, end in enumerate(ends):
            rows = slice(end - arrays["count"][i], end)
            parts = (arrays[name][rows] for name in ARRAYS)
            found.append(Found(int(arrays["status"][i]), str(arrays["note"][i]), *parts))
        return found

    @staticmethod
    def forget(out: Path) -> None:
        """Delete the folder: its content is in the output, or not wanted."""
        shutil.rmtree(_folder(out), ignore_errors=True)

    def _path(self, job: int) -> Path:
        return self.folder / f"{job:06d}.npz"


def _folder(out: Path) -> Path:
    return out.with_name(f"{out.name}.parts")
