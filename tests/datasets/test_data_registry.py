import re
from pathlib import PurePosixPath

import pytest

from trackbench.datasets.registry import load_sources, parse_sources, source_named
from trackbench.errors import UsageError


def test_the_public_sources():
    counts = {name: len(source.files) for name, source in load_sources().items()}
    assert counts == {"wormnd": 119, "nguyen2017": 1372, "targettrack": 35, "fdnc_example": 2}


@pytest.mark.parametrize("source", load_sources().values(), ids=lambda source: source.name)
def test_every_file_is_pinned(source):
    assert source.base.startswith("https://")
    assert source.base.endswith("/")
    assert re.search(r"/[0-9a-f]{40}/", source.base), "pinned by commit"
    assert source.cite
    assert source.licence
    for file in source.files:
        assert re.fullmatch(r"[0-9a-f]{64}", file.sha256)
        assert 0 < file.size < 1 << 24
        path = PurePosixPath(file.path)
        assert not path.is_absolute()
        assert ".." not in path.parts
    assert source.size == sum(file.size for file in source.files)


def test_a_registry_is_read_from_text():
    text = """
    [worms]
    base = "https://example.org/"
    licence = "CC0"
    cite = "nobody"
    [worms.files]
    "a/b.csv" = { sha256 = "00", bytes = 3 }
    """
    source = parse_sources(text)["worms"]
    assert (source.name, source.files[0].path, source.size) == ("worms", "a/b.csv", 3)


def test_an_unknown_source_suggests_the_nearest():
    assert source_named("wormnd").name == "wormnd"
    with pytest.raises(UsageError, match="did you mean 'nguyen2017'"):
        source_named("nguyen")
    with pytest.raises(UsageError, match="there are wormnd"):
        source_named("zzz")
