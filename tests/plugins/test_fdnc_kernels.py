"""How the native kernels of fdnc are built, packaged, found, and done without."""

import os
import platform
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from trackbench.core.keys import folder_key
from trackbench.errors import TrackbenchWarning
from trackbench.plugins.fdnc import FdncMatcher
from trackbench.plugins.fdnc.kernels import LIBRARY, SWITCH, load, why_absent
from trackbench.plugins.fdnc.native_blocks import NativeNetworks

ROOT = Path(__file__).parents[2]
PLUGIN = Path("src/trackbench/plugins/fdnc")
NO_COMPILER = {"PATH": "", "CXX": ""}
COMPILES = (platform.system(), platform.machine()) == ("Linux", "x86_64") and any(
    map(shutil.which, (os.environ.get("CXX") or "c++", "g++", "clang++"))
)
needs_compiler = pytest.mark.skipif(not COMPILES, reason="no C++ compiler for Linux on x86-64")

WIDE = """
#include <immintrin.h>
extern "C" float sum_of_squares(const float* sixteen) {
    const __m512 x = _mm512_loadu_ps(sixteen);
    return _mm512_reduce_add_ps(_mm512_mul_ps(x, x));
}
"""
"""In place of the real kernels, which take long to compile."""


@pytest.fixture
def checkout(tmp_path):
    """A repository with a plugin that is nothing but its kernels."""
    root = tmp_path / "checkout"
    (root / PLUGIN / "native").mkdir(parents=True)
    for name in ("hatch_build.py", "pyproject.toml", "README.md", "LICENSE", ".gitignore"):
        shutil.copy(ROOT / name, root / name)
    shutil.copy(ROOT / PLUGIN / "kernels.py", root / PLUGIN)
    shutil.copy(ROOT / PLUGIN / "native/processor.cpp", root / PLUGIN / "native")
    (root / PLUGIN / "native/wide.cpp").write_text(WIDE)
    return root


def python(checkout, *arguments, fails=False, **variables):
    command = [sys.executable, *arguments]
    env = {**os.environ, **variables}
    done = subprocess.run(
        command, cwd=checkout, env=env, capture_output=True, text=True, check=False
    )
    assert bool(done.returncode) == fails, done.stderr
    return done.stderr


def packed(checkout, kind, **variables):
    """Build one distribution; give its file and what was said."""
    said = python(checkout, "-m", "hatchling", "build", "-t", kind, "-d", "made", **variables)
    (made,) = (checkout / "made").iterdir()
    return made, said


def built(checkout):
    """Build in place; give the plugin's folder."""
    python(checkout, "hatch_build.py")
    return checkout / PLUGIN


def runs_here(folder):
    """Say whether the library can be used, where the processor can run it."""
    found = load(folder)
    return not isinstance(found, str) or found.startswith("this processor lacks")


@needs_compiler
def test_a_wheel_holds_the_kernels_and_fits_every_python(checkout, tmp_path):
    wheel, said = packed(checkout, "wheel")
    assert wheel.name.endswith("-py3-none-linux_x86_64.whl")
    assert "without kernels" not in said
    shutil.unpack_archive(wheel, tmp_path / "site", format="zip")
    assert runs_here(tmp_path / "site/trackbench/plugins/fdnc")
    assert not list(checkout.rglob(LIBRARY))


@pytest.mark.parametrize("variables", [NO_COMPILER, {"CXX": "no-such-compiler"}, {"CXX": "false"}])
def test_without_a_compiler_the_wheel_is_pure_and_says_what_is_lost(checkout, variables):
    wheel, said = packed(checkout, "wheel", TRACKBENCH_REQUIRE_KERNELS="", **variables)
    assert wheel.name.endswith("-py3-none-any.whl")
    assert not [name for name in zipfile.ZipFile(wheel).namelist() if name.endswith(".so")]
    assert "without kernels fdnc takes longer" in said
    assert load(checkout / PLUGIN).startswith("no kernels were built: install a C++ compiler")


@pytest.mark.parametrize("variables", [NO_COMPILER, {"CXX": "false"}])
def test_where_kernels_are_required_nothing_is_built_without(checkout, variables):
    build = ("-m", "hatchling", "build", "-t", "wheel", "-d", "made")
    said = python(checkout, *build, fails=True, TRACKBENCH_REQUIRE_KERNELS="1", **variables)
    assert "CantBuildError" in said
    assert not list(checkout.glob("made/*.whl"))


def test_elsewhere_there_are_none(checkout, monkeypatch):
    other = "import platform, runpy; platform.machine = lambda: 'aarch64';"
    code = f"{other} runpy.run_path('hatch_build.py', run_name='__main__')"
    assert "for Linux on x86-64 only" in python(checkout, "-c", code, fails=True)
    monkeypatch.setattr(platform, "machine", lambda: "aarch64")
    assert load(checkout / PLUGIN) == "there are kernels for Linux on x86-64 only"


@needs_compiler
def test_an_error_in_a_source_is_shown(checkout):
    (checkout / PLUGIN / "native/wide.cpp").write_text("int broken(")
    said = python(checkout, "hatch_build.py", fails=True)
    assert "wide.cpp:1" in said
    assert not list(checkout.rglob(LIBRARY))


@needs_compiler
def test_an_editable_installation_builds_in_place(checkout):
    python(checkout, "-m", "hatchling", "build", "-t", "wheel:editable", "-d", "made")
    assert runs_here(checkout / PLUGIN)
    assert not list(checkout.glob(".kernels-*"))


@needs_compiler
def test_a_source_distribution_holds_sources_alone(checkout):
    built(checkout)
    packed_sources, _ = packed(checkout, "sdist")
    with tarfile.open(packed_sources) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {"hatch_build.py", f"{PLUGIN}/native/processor.cpp"} <= names
    assert not [name for name in names if name.endswith(".so")]


@needs_compiler
def test_building_again_leaves_running_processes_their_library(checkout):
    old = load(built(checkout))
    before = (checkout / PLUGIN / LIBRARY).stat().st_ino
    (checkout / PLUGIN / "native/wide.cpp").write_text("int emptied() { return 1; }\n")
    built(checkout)
    assert (checkout / PLUGIN / LIBRARY).stat().st_ino != before
    assert isinstance(old, str) or old.trackbench_supported() == 1


@needs_compiler
def test_results_have_the_same_key_with_and_without_the_library(checkout):
    folder = checkout / PLUGIN
    before = folder_key.__wrapped__(folder)
    built(checkout)
    assert folder_key.__wrapped__(folder) == before
    (folder / "native/wide.cpp").write_text("int changed() { return 1; }\n")
    assert folder_key.__wrapped__(folder) != before


@needs_compiler
def test_a_library_of_other_sources_is_not_used(checkout, tmp_path):
    folder = built(checkout)
    with (folder / "native/wide.cpp").open("a") as source:
        source.write("// changed\n")
    with pytest.warns(TrackbenchWarning, match="slow path.*other sources.*hatch_build"):
        assert "other sources" in load(folder)
    # elsewhere: a process that has a library open gets the same one again by its name
    assert runs_here(shutil.copytree(built(checkout), tmp_path / "elsewhere"))


@needs_compiler
def test_a_library_without_its_sources_is_used(checkout):
    folder = built(checkout)
    shutil.rmtree(folder / "native")
    assert runs_here(folder)


@needs_compiler
@pytest.mark.parametrize("part", [0.0, 0.001, 0.3, 0.7, 0.999])
def test_half_a_library_is_not_used(checkout, part):
    library = built(checkout) / LIBRARY
    whole = library.read_bytes()
    library.write_bytes(whole[: int(part * len(whole))])
    with pytest.warns(TrackbenchWarning, match="is damaged: install trackbench again"):
        assert "damaged" in load(library.parent)


@needs_compiler
def test_a_library_for_another_processor_is_not_used(checkout):
    library = built(checkout) / LIBRARY
    content = bytearray(library.read_bytes())
    content[18] = 0xB7  # e_machine of the ELF header: 64 bit ARM
    library.write_bytes(content)
    with pytest.warns(TrackbenchWarning, match="can't be loaded"):
        assert "install trackbench again" in load(library.parent)


@needs_compiler
def test_a_library_that_is_not_ours_is_not_used(checkout):
    (checkout / PLUGIN / "native/processor.cpp").write_text("int nothing() { return 0; }\n")
    with pytest.warns(TrackbenchWarning, match="can't be loaded"):
        assert "trackbench_sources" in load(built(checkout))


@needs_compiler
def test_a_processor_that_lacks_an_instruction_takes_the_portable_path(checkout):
    source = checkout / PLUGIN / "native/processor.cpp"
    text = source.read_text().replace('"avx512bf16"', '"avx5124vnniw"')  # Xeon Phi's alone
    source.write_text(text)
    assert load(built(checkout)) == "this processor lacks AVX-512 with BF16"


def test_the_matcher_says_what_computes():
    code = (
        "from trackbench.plugins.fdnc import FdncConfig, FdncMatcher;"
        "print(FdncMatcher().backend); print(FdncMatcher(FdncConfig(precision='float32')).backend)"
    )
    found = {}
    for switched_off in ("0", "1"):
        env = {**os.environ, SWITCH: switched_off}
        done = subprocess.run(
            [sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True
        )
        found[switched_off] = done.stdout.splitlines()
    why = why_absent()
    assert found["0"] == ["native kernels" if why is None else f"torch ({why})", "torch"]
    assert found["1"] == [f"torch (switched off by {SWITCH})", "torch"]


def test_what_the_matcher_says_is_what_computes():
    matcher = FdncMatcher()
    native = isinstance(matcher.engine.networks, NativeNetworks)
    assert matcher.backend.name == ("native kernels" if native else "torch")


def test_the_command_line_says_in_one_line_that_a_library_cannot_be_used(tmp_path):
    (tmp_path / LIBRARY).touch()
    code = (
        "import sys; from pathlib import Path; from trackbench.plugins.fdnc import kernels;"
        "kernels.HERE = Path(sys.argv.pop()); from trackbench.cli import main; main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "list", "--verbose", str(tmp_path)],
        env={**os.environ, SWITCH: ""}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    problem = f"{tmp_path / LIBRARY} is damaged: install trackbench again"
    assert done.stderr == f"trackbench: fdnc takes its slow path, {problem}\n"
    assert f"computed by: torch ({problem})" in done.stdout


@needs_compiler
def test_kernels_can_be_switched_off(checkout, monkeypatch):
    folder = built(checkout)
    monkeypatch.setenv(SWITCH, "1")
    assert load(folder) == f"switched off by {SWITCH}"
    monkeypatch.setenv(SWITCH, "0")
    assert runs_here(folder)
