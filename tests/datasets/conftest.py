"""Small data folders in the published formats, and the real ones where they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

if TYPE_CHECKING:
    from pathlib import Path

WORMND_HEADER = (
    ",real_X,real_Y,real_Z,real_R,real_G,real_B,"
    "aligned_x,aligned_y,aligned_z,aligned_R,aligned_G,aligned_B,ID"
)


@pytest.fixture
def write_worm():
    """Write a WormND table whose positions count up: row i is at (i, 10 + i, 20 + i)."""

    def write(path: Path, names: list[str]) -> Path:
        rows = [
            f"{i},{i},{10 + i},{20 + i},{0.1 * i},{0.2 * i},{0.3 * i},"
            f"{5 - i},{6 - i},{7 - i},0,0,0,{name}"
            for i, name in enumerate(names)
        ]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join([WORMND_HEADER, *rows]) + "\n", encoding="utf-8")
        return path

    return write


@pytest.fixture
def wormnd(tmp_path, write_worm):
    """Make a data root with a WormND folder; each worm is (id, lab, group, skipped, names)."""

    def make(*worms: tuple[str, str, str, bool, list[str]], handedness: dict | None = None) -> Path:
        folder = tmp_path / "wormnd"
        lines = [",Filename,Group,Dataset,ID_skip"]
        for i, (worm, lab, group, skipped, names) in enumerate(worms):
            lines.append(f"{i},{worm},{group},{lab},{skipped}")
            write_worm(folder / "aligned_heads" / "aligned_full" / f"{worm}.csv", names)
        (folder / "group_assigns.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
        if handedness is not None:
            rows = [f"{worm},{sign}" for worm, sign in handedness.items()]
            text = "\n".join(["Filename,handedness", *rows]) + "\n"
            (folder / "handedness.csv").write_text(text, encoding="utf-8")
        return tmp_path

    return make


@pytest.fixture
def fdnc_folder(tmp_path):
    """Make a data root with nguyen2017 volumes: {volume: labels}, at (volume, i, 2 i) units."""

    def make(volumes: dict[int, list[int]]) -> Path:
        folder = tmp_path / "nguyen2017" / "test_tracking" / "real_jeff_all"
        folder.mkdir(parents=True)
        for volume, labels in volumes.items():
            rows = [(volume, i, 2 * i, label) for i, label in enumerate(labels)]
            np.save(folder / f"real_{volume}.npy", np.array(rows, dtype=float))
        return tmp_path

    return make


@pytest.fixture
def targettrack(tmp_path):
    """Make a data root with targettrack frames: {example: rows that hold a point}."""

    def make(examples: dict[str, list[int]], *, images: bool = True) -> Path:
        for example, present in examples.items():
            folder = tmp_path / "targettrack" / "data_points" / example
            folder.mkdir(parents=True)
            points = np.full((85, 3), np.nan, dtype=np.float32)
            points[present] = [(row, row + 1, 2) for row in present]
            np.save(folder / "pts_gt.npy", points)
            if images:
                image = np.zeros((2, 90, 91, 4), dtype=np.uint8)
                image[0, present, np.array(present) + 1, 2] = present
                np.save(folder / "frame_gt.npy", np.asfortranarray(image))
        return tmp_path

    return make
