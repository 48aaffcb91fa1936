import pytest

from trackbench.datasets import locate as module
from trackbench.datasets.locate import cache_folder, find, locate
from trackbench.errors import MissingDataError, UsageError


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """Give the user a cache below `tmp_path`, and no environment variable."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("TRACKBENCH_DATA", raising=False)
    return cache_folder()


@pytest.fixture
def downloads(monkeypatch, cache):
    """Record what would be downloaded, and make its folder."""
    asked = []

    def record(source, folder, *, progress):
        asked.append(source.name)
        folder.mkdir(parents=True, exist_ok=True)

    monkeypatch.setattr(module, "fetch", record)
    return asked


def make(root, section="wormnd"):
    (root / section).mkdir(parents=True)
    return root


def test_the_named_folder_comes_first(tmp_path, cache, monkeypatch):
    monkeypatch.setenv("TRACKBENCH_DATA", str(make(tmp_path / "environment")))
    make(cache)
    named = make(tmp_path / "named")
    assert locate("wormnd", data_dir=named) == named


def test_then_the_environment_then_the_cache(tmp_path, cache, monkeypatch, downloads):
    environment = make(tmp_path / "environment")
    monkeypatch.setenv("TRACKBENCH_DATA", str(environment))
    assert locate("wormnd") == environment
    assert downloads == []
    make(cache, "nguyen2017")
    assert find("nguyen2017") == cache
    assert locate("nguyen2017", offline=True) == cache
    assert downloads == []


def test_what_is_nowhere_is_downloaded_into_the_cache(cache, downloads):
    assert find("wormnd") is None
    assert locate("wormnd") == cache
    assert downloads == ["wormnd"]


def test_a_partial_cache_is_completed(cache, downloads):
    make(cache)
    assert locate("wormnd") == cache
    assert downloads == ["wormnd"]


def test_offline_complains_with_the_mend(cache, downloads):
    with pytest.raises(MissingDataError, match="trackbench data fetch wormnd"):
        locate("wormnd", offline=True)
    assert downloads == []


def test_a_named_folder_that_is_not_there_or_lacks_the_section_is_one_line(tmp_path, cache):
    with pytest.raises(MissingDataError, match=r"absent: no such folder: mend --data-dir"):
        locate("wormnd", data_dir=tmp_path / "absent")
    with pytest.raises(MissingDataError, match="it holds no folder 'wormnd'"):
        locate("wormnd", data_dir=tmp_path)


def test_a_wrong_environment_is_told(tmp_path, cache, monkeypatch):
    monkeypatch.setenv("TRACKBENCH_DATA", str(tmp_path / "absent"))
    with pytest.raises(MissingDataError, match="environment variable TRACKBENCH_DATA"):
        locate("wormnd")


def test_an_unknown_section_suggests_the_nearest(cache):
    with pytest.raises(UsageError, match="did you mean 'wormnd'"):
        locate("wormdn")
