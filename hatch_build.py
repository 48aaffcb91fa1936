"""Compiles the native kernels of plugins at installation.

Every folder ``src/trackbench/plugins/*/native`` becomes ``_kernels.so`` beside it. Kernels are a
faster way to the same answers, so where they can't be built the installation says what is lost and
goes on without; ``TRACKBENCH_REQUIRE_KERNELS=1`` makes that an error. After a change of a C++
source, ``python hatch_build.py`` builds them in place.
"""

from __future__ import annotations

import os
import runpy
import shlex
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from functools import cached_property
from pathlib import Path
from typing import Any

from hatchling.builders.config import BuilderConfig
from hatchling.builders.hooks.plugin.interface import BuildHookInterface

LIBRARY = "_kernels.so"
REQUIRE = "TRACKBENCH_REQUIRE_KERNELS"
COMPILERS = ("c++", "g++", "clang++")
PORTABLE = "processor.cpp"
"""The one source that every processor can run: it says whether this one can run the others."""

FLAGS = shlex.split("-O3 -std=c++17 -fno-exceptions -fno-rtti -fPIC -fno-math-errno -Wall -Wextra")
INSTRUCTIONS = shlex.split(
    "-mavx512f -mavx512bw -mavx512dq -mavx512vl -mavx512bf16 -mfma -mbmi2"
    " -mprefer-vector-width=512"
    " -Wno-uninitialized"  # g++ 12 warns of its own immintrin.h
)


class CantBuildError(Exception):
    """Why there will be no kernels, and the mend."""


class KernelsHook(BuildHookInterface[BuilderConfig]):
    """Adds the kernels to a wheel, or to the source tree of an editable installation."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build, and say what the wheel now holds.

        Raises
        ------
        CantBuildError
            There is no way to build, and the environment requires the kernels.
        """
        try:
            if version == "editable":
                build_in_place(Path(self.root))
            else:
                self._add_to_wheel(build_data)
        except CantBuildError as problem:
            if os.environ.get(REQUIRE, "0") not in {"", "0"}:
                raise
            self.app.display_warning(f"without kernels fdnc takes longer: {problem}")

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Remove what was built for the wheel."""
        self._scratch.cleanup()

    @cached_property
    def _scratch(self) -> tempfile.TemporaryDirectory[str]:
        return tempfile.TemporaryDirectory()

    def _add_to_wheel(self, build_data: dict[str, Any]) -> None:
        source = Path(self.root, "src")
        for native in native_folders(Path(self.root)):
            inside = native.parent.relative_to(source) / LIBRARY
            built = Path(self._scratch.name, *inside.parts)
            built.parent.mkdir(parents=True)
            build(native, built)
            build_data["force_include"][str(built)] = str(inside)
        # ctypes loads them, so one wheel fits every Python of this platform
        system = sysconfig.get_platform().replace("-", "_").replace(".", "_")
        build_data.update(pure_python=False, tag=f"py3-none-{system}")


def native_folders(root: Path) -> list[Path]:
    """Give the folders of C++ sources below the root of the repository."""
    return sorted(root.glob("src/trackbench/plugins/*/native"))


def build_in_place(root: Path) -> None:
    """Build the library of every plugin beside its sources.

    A process that has the old one mapped keeps it: the new file takes its name, not its place.
    """
    for native in native_folders(root):
        target = native.parent / LIBRARY
        with tempfile.TemporaryDirectory(prefix=".kernels-", dir=root) as scratch:
            built = Path(scratch, LIBRARY)
            build(native, built)
            built.replace(target)


def build(native: Path, target: Path) -> None:
    """Compile the sources of a folder, side by side, and link them.

    Parameters
    ----------
    native : Path
        Holds the ``*.cpp`` and, in the folder above, the module ``kernels.py`` that loads them.
    target : Path
        The library.

    Raises
    ------
    CantBuildError
        Another system or processor, no compiler, or one that refuses flags or sources.
    """
    loader = runpy.run_path(str(native.parent / "kernels.py"))
    if not loader["exist_for_this_system"]():
        raise CantBuildError(loader["ELSEWHERE"])
    compiler = _compiler()
    key = loader["sources_key"](native)
    with tempfile.TemporaryDirectory() as scratch:
        objects = {source: Path(scratch, f"{source.stem}.o") for source in native.glob("*.cpp")}
        _run(
            [
                [*compiler, *FLAGS, *_extra(source, key), "-c", str(source), "-o", str(made)]
                for source, made in sorted(objects.items())
            ]
        )
        made = [str(item) for item in sorted(objects.values())]
        _run([[*compiler, "-shared", "-pthread", *made, "-o", str(target)]])


def _compiler() -> list[str]:
    chosen = shlex.split(os.environ.get("CXX", ""))
    found = [name for name in (chosen[:1] or COMPILERS) if shutil.which(name)]
    if not found:
        missing = chosen[0] if chosen else "a C++ compiler"
        raise CantBuildError(
            f"{missing} isn't there: install g++ or clang++, then trackbench again"
        )
    return chosen or found[:1]


def _extra(source: Path, key: str) -> list[str]:
    if source.name == PORTABLE:
        return [f'-DTRACKBENCH_SOURCES="{key}"']
    return INSTRUCTIONS


def _run(commands: list[list[str]]) -> None:
    """Run commands side by side; their warnings are shown."""
    running = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for command in commands]
    said = [process.communicate()[1] for process in running]
    for process, command, words in zip(running, commands, said, strict=True):
        if process.returncode:
            raise CantBuildError(f"{shlex.join(command)} failed:\n{words}")
        sys.stderr.write(words)


if __name__ == "__main__":
    build_in_place(Path(__file__).parent)
