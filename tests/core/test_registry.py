import importlib.metadata
import sys
import textwrap

import pytest

from trackbench.core.registry import DISABLE_VARIABLE, Registry, load_registry
from trackbench.core.spec import Spec
from trackbench.errors import PluginError, UsageError

GOOD = """
    from trackbench import Match, PairwiseMatcher, hookimpl

    class Good(PairwiseMatcher):
        name = "{name}"
        def match_pair(self, template, test):
            return Match.from_pairs((), len(test), len(template))

    @hookimpl
    def trackbench_matchers():
        return [Good]
"""


@pytest.fixture
def registry_of(tmp_path, monkeypatch):
    """Make a registry of plugins given as source text, by entry point name."""
    monkeypatch.syspath_prepend(tmp_path)

    def build(disabled=frozenset(), **sources):
        points = []
        for name, source in sources.items():
            module = f"plugin_under_test_{name}"
            (tmp_path / f"{module}.py").write_text(textwrap.dedent(source))
            sys.modules.pop(module, None)
            points.append(importlib.metadata.EntryPoint(name, module, "trackbench"))
        importlib.invalidate_caches()
        return Registry(points, disabled)

    return build


def test_a_good_plugin_is_there_beside_every_kind_of_broken_one(registry_of):
    registry = registry_of(
        explodes="raise RuntimeError('no such device')",
        exits="import sys; sys.exit(3)",
        absent="import a_module_that_is_nowhere",
        good=GOOD.format(name="good"),
    )
    assert list(registry.matchers()) == ["good"]
    lines = [str(failure) for failure in registry.failures]
    assert len(lines) == 3
    assert all("\n" not in line for line in lines)
    assert "explodes" in lines[0]
    assert "no such device" in lines[0]
    assert f"{DISABLE_VARIABLE}=explodes" in lines[0]
    assert "SystemExit" in lines[1]
    assert "a_module_that_is_nowhere" in lines[2]


def test_a_misspelt_hook_is_told_with_the_right_one(registry_of):
    source = GOOD.format(name="good").replace("trackbench_matchers", "trackbench_matcher")
    (failure,) = registry_of(misspelt=source).failures
    assert "no hook trackbench_matcher" in str(failure)
    assert "did you mean trackbench_matchers?" in str(failure)


def test_of_two_plugins_with_one_name_the_first_stays(registry_of):
    registry = registry_of(first=GOOD.format(name="same"), second=GOOD.format(name="same"))
    assert registry.matchers()["same"].entry_point == "first"
    (failure,) = registry.failures
    assert failure.who.startswith("second")
    assert "'same' is already provided" in failure.what
    assert "first" in failure.what


@pytest.mark.parametrize(
    ("version", "mend"), [("2", "update trackbench"), ("0", "update the plugin")]
)
def test_another_api_version_is_refused(registry_of, version, mend):
    (failure,) = registry_of(old=f"TRACKBENCH_API = {version}").failures
    assert f"API {version}" in failure.what
    assert failure.mend == mend


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("return [Good]", "return [int]", "is no Matcher"),
        ("return [Good]", "raise KeyError('x')", "trackbench_matchers failed (KeyError"),
        ("return [Good]", "return None", "failed (TypeError"),
        ("def match_pair", "def match_pear", "lacks match_pair"),
        ('name = "good"', 'name = "Good one"', "Good.name is 'Good one'"),
        ('name = "good"', "", "Good.name is None"),
        ("@hookimpl", "", "implements no hook"),
        ("def trackbench_matchers():", "def trackbench_matchers(worms):", "worms"),
    ],
)
def test_a_wrong_hook_gives_one_line(registry_of, old, new, says):
    registry = registry_of(wrong=GOOD.format(name="good").replace(old, new))
    assert registry.matchers() == {}
    (failure,) = registry.failures
    assert says in str(failure)


def test_a_blocked_plugin_is_not_even_imported(registry_of):
    registry = registry_of(disabled=frozenset({"bad"}), bad="raise RuntimeError")
    assert registry.failures == ()
    with pytest.raises(UsageError, match=f"{DISABLE_VARIABLE} blocks it"):
        registry.find("matcher", "bad")


def test_the_environment_blocks_by_name(monkeypatch):
    monkeypatch.setenv(DISABLE_VARIABLE, "baselines, other")
    registry = load_registry()
    assert "nearest" not in registry.matchers()


def test_an_unknown_name_suggests_the_nearest(registry_of):
    registry = registry_of(good=GOOD.format(name="good"))
    with pytest.raises(UsageError, match=r"no matcher is named 'god': did you mean 'good'\?"):
        registry.find("matcher", "god")
    with pytest.raises(UsageError, match="there are: good"):
        registry.find("matcher", "xyz")


def test_a_failed_plugin_asked_for_by_name_says_why(registry_of):
    registry = registry_of(drift="raise RuntimeError('broken wheel')")
    with pytest.raises(UsageError, match=r"failed to load.*broken wheel"):
        registry.find("matcher", "drift")


def test_a_constructor_that_fails_is_a_plugin_error(registry_of):
    source = GOOD.format(name="good") + "        "
    source = source.replace(
        "        def match_pair",
        "        def __init__(self, config=None, seed=0):\n            raise OSError('weights')\n"
        "        def match_pair",
    )
    registry = registry_of(good=source)
    with pytest.raises(PluginError, match="good: OSError: weights"):
        registry.create("matcher", Spec("good"))


def test_built_ins_come_through_entry_points():
    registry = load_registry()
    assert {"truth", "random", "nearest"} <= set(registry.matchers())
    assert "transfer" in registry.labelers()
    assert registry.matchers()["nearest"].distribution == "trackbench"
    assert registry.failures == ()
