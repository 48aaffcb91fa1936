import subprocess
import sys

import trackbench

HEAVY = ("torch", "pandas", "matplotlib", "plotly", "pyarrow", "h5py", "skimage")


def _loaded_after(statement):
    code = f"import sys; {statement}; print(*[m for m in {HEAVY!r} if m in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return found.stdout.split()


def test_importing_trackbench_loads_nothing_heavy():
    assert _loaded_after("import trackbench, trackbench.cli") == []


def test_loading_every_plugin_loads_nothing_heavy():
    statement = "from trackbench.core.registry import load_registry; load_registry()"
    assert _loaded_after(statement) == []


def test_all_names_exist():
    assert all(hasattr(trackbench, name) for name in trackbench.__all__)
