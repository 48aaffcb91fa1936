"""The machine and the software that a result was made with."""

from __future__ import annotations

import importlib.metadata
import platform
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import psutil

from trackbench.benchmarks.threads import usable_cores

if TYPE_CHECKING:
    from trackbench.benchmarks.plan import Plan

__all__ = ["computed_by", "machine_record"]

LIBRARIES: Final = ("trackbench", "numpy", "scipy", "torch", "pandas", "pyarrow", "pebble")


def machine_record() -> dict[str, Any]:
    """Give processor, cores, memory in GiB, system, Python and library versions."""
    return {
        "processor": _processor(),
        "cores": psutil.cpu_count(logical=False),
        "logical_cores": psutil.cpu_count(),
        "usable_cores": usable_cores(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "python": platform.python_version(),
        "libraries": {name: _version(name) for name in LIBRARIES},
    }


def computed_by(plan: Plan) -> dict[str, dict[str, str]]:
    """Give the backends of a plan's plugins under one name; nothing where none has a choice."""
    used = {pair for part in plan.parts for way in part.combinations for pair in way.computed_by}
    named = {name: str(backend) for name, backend in sorted(used)}
    return {"computed_by": named} if named else {}


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text(errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None
