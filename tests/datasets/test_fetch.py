"""Downloads from a real server on this computer: whole, interrupted, altered, absent, offline."""

from __future__ import annotations

import hashlib
import http.server
import re
import subprocess
import sys
import threading
import time
from functools import partial
from pathlib import Path

import pytest

from trackbench.datasets.fetch import CHUNK, fetch, file_states, missing_files
from trackbench.datasets.registry import RemoteFile, Source
from trackbench.errors import InputError, MissingDataError

BODY = bytes(range(256)) * 2000
"""512 000 bytes: many chunks."""

CUT = 6 * CHUNK


class Handler(http.server.SimpleHTTPRequestHandler):
    """Serves a folder; knows Range, and misbehaves as the test's `Site` tells it to."""

    protocol_version = "HTTP/1.1"

    def __init__(self, *args, site, **kwargs):
        self.site = site
        super().__init__(*args, directory=str(site.folder), **kwargs)

    def do_GET(self):
        path = Path(self.translate_path(self.path))
        wanted = self.headers.get("Range")
        self.site.requests.append((self.path, wanted))
        if self.site.failures:
            self.send_error(self.site.failures.pop(0))
            return
        if not path.is_file():
            self.send_error(404)
            return
        body = path.read_bytes()
        start = int(re.fullmatch(r"bytes=(\d+)-", wanted)[1]) if wanted else 0
        start = start if self.site.knows_range else 0
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
        self.send_header("Content-Length", str(len(body) - start))
        self.end_headers()
        stop = self.site.cuts.pop(0) if self.site.cuts else len(body)
        self.wfile.write(body[start : max(start, stop)])
        if stop < len(body):
            self.wfile.flush()
            self.close_connection = True
            if self.site.stalls:
                self.site.has_stalled.set()
                self.site.go_on.wait(timeout=60)

    def log_message(self, *args):
        pass


class Site:
    """A folder on a server, and how the server behaves."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.requests: list[tuple[str, str | None]] = []
        self.failures: list[int] = []
        self.cuts: list[int] = []
        self.knows_range = True
        self.stalls = False
        self.has_stalled = threading.Event()
        self.go_on = threading.Event()
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, site=self))

    def source(self, **bodies: bytes) -> Source:
        files = []
        for name, body in bodies.items():
            path = name.replace("__", "/") + ".bin"
            (self.folder / path).parent.mkdir(parents=True, exist_ok=True)
            (self.folder / path).write_bytes(body)
            files.append(RemoteFile(path, hashlib.sha256(body).hexdigest(), len(body)))
        base = f"http://127.0.0.1:{self.server.server_address[1]}/"
        return Source("worms", base, "CC0", "nobody", tuple(files))


@pytest.fixture
def site(tmp_path, monkeypatch):
    for variable in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(variable, raising=False)
    made = Site(tmp_path / "served")
    made.folder.mkdir()
    thread = threading.Thread(target=made.server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield made
    made.go_on.set()
    made.server.shutdown()
    made.server.server_close()
    thread.join()


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "cache" / "worms"


def contents(folder):
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_everything_arrives_and_progress_counts_every_byte(site, folder):
    source = site.source(a=BODY, sub__b=b"small", sub__c=b"small")
    arrived = []
    assert fetch(source, folder, progress=arrived.append) == folder
    assert contents(folder) == {"a.bin", "sub/b.bin", "sub/c.bin"}
    assert (folder / "a.bin").read_bytes() == BODY
    assert sum(arrived) == source.size
    assert {state for _, state in file_states(source, folder)} == {"ok"}


def test_what_is_there_is_not_fetched_again(site, folder):
    source = site.source(a=BODY, b=b"b")
    fetch(source, folder)
    (folder / "b.bin").unlink()
    site.requests.clear()
    fetch(source, folder)
    assert [path for path, _ in site.requests] == ["/b.bin"]


def test_a_connection_that_breaks_is_continued_where_it_stopped(site, folder):
    source = site.source(a=BODY)
    site.cuts = [CUT, 3 * CUT]
    fetch(source, folder, pause_s=0.01)
    assert (folder / "a.bin").read_bytes() == BODY
    starts = [int(wanted[6:-1]) if wanted else 0 for _, wanted in site.requests]
    assert starts == [0, CUT, 3 * CUT]


def test_an_interrupted_download_is_continued_by_the_next_one(site, folder):
    source = site.source(a=BODY)
    site.cuts = [CUT] * 4
    with pytest.raises(MissingDataError, match="what has arrived is kept"):
        fetch(source, folder, pause_s=0.01)
    assert not (folder / "a.bin").exists()
    kept = list((folder / ".partial").iterdir())
    assert [path.stat().st_size for path in kept] == [CUT]
    site.cuts, site.requests = [], []
    arrived = []
    fetch(source, folder, progress=arrived.append)
    assert site.requests == [("/a.bin", f"bytes={CUT}-")]
    assert sum(arrived) == len(BODY) - CUT
    assert contents(folder) == {"a.bin"}
    assert (folder / "a.bin").read_bytes() == BODY


def test_a_download_that_was_killed_is_continued(site, folder):
    """kill -9 in the middle of a transfer, then the same again."""
    source = site.source(a=BODY)
    site.cuts, site.stalls = [CUT], True
    program = (
        "from pathlib import Path\n"
        "from trackbench.datasets.fetch import fetch\n"
        "from trackbench.datasets.registry import RemoteFile, Source\n"
        f"fetch({source!r}, Path({str(folder)!r}))\n"
    )
    process = subprocess.Popen([sys.executable, "-c", program])
    assert site.has_stalled.wait(timeout=60)
    part = folder / ".partial" / f"a.bin.{source.files[0].sha256[:8]}.part"
    while not part.exists() or part.stat().st_size < CUT // 2:
        time.sleep(0.01)
    process.kill()
    process.wait()
    kept = part.stat().st_size
    site.stalls, site.requests = False, []
    fetch(source, folder)
    assert site.requests == [("/a.bin", f"bytes={kept}-")]
    assert (folder / "a.bin").read_bytes() == BODY


def test_a_server_that_knows_no_range_starts_anew(site, folder):
    source = site.source(a=BODY)
    site.knows_range = False
    site.cuts = [CUT]
    fetch(source, folder, pause_s=0.01)
    assert (folder / "a.bin").read_bytes() == BODY


def test_a_file_that_arrived_whole_but_was_not_put_in_place_needs_no_network(site, folder):
    source = site.source(a=BODY)
    (folder / ".partial").mkdir(parents=True)
    part = f"a.bin.{source.files[0].sha256[:8]}.part"
    (folder / ".partial" / part).write_bytes(BODY)
    fetch(source, folder)
    assert site.requests == []
    assert contents(folder) == {"a.bin"}


def test_another_sha256_is_refused_and_nothing_stays(site, folder):
    source = site.source(a=BODY)
    (site.folder / "a.bin").write_bytes(BODY[::-1])
    with pytest.raises(MissingDataError, match="another sha256") as caught:
        fetch(source, folder)
    assert source.base in str(caught.value)
    assert not folder.exists()
    (site.folder / "a.bin").write_bytes(BODY)
    fetch(source, folder)
    assert contents(folder) == {"a.bin"}


def test_more_bytes_than_pinned_are_not_taken(site, folder):
    source = site.source(a=BODY)
    (site.folder / "a.bin").write_bytes(BODY + b"more")
    with pytest.raises(MissingDataError, match=f"more than the {len(BODY)} bytes"):
        fetch(source, folder)
    assert not (folder / "a.bin").exists()


def test_an_absent_file_is_one_line_at_once(site, folder):
    source = site.source(sub__a=BODY)
    (site.folder / "sub" / "a.bin").unlink()
    with pytest.raises(MissingDataError, match="the server answers 404") as caught:
        fetch(source, folder)
    assert f"{source.base}sub/a.bin" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(site.requests) == 1
    assert not folder.exists()


def test_a_server_that_is_busy_is_asked_again(site, folder):
    source = site.source(a=b"a")
    site.failures = [503, 429]
    fetch(source, folder, pause_s=0.01)
    assert len(site.requests) == 3
    site.failures = [500] * 4
    (folder / "a.bin").unlink()
    with pytest.raises(MissingDataError, match="the server answers 500"):
        fetch(source, folder, pause_s=0.01)


def test_no_server_is_one_line(site, folder):
    source = site.source(a=b"a")
    site.server.server_close()
    with pytest.raises(MissingDataError, match="no connection"):
        fetch(source, folder, pause_s=0.01)


def test_offline_uses_no_network(site, folder):
    source = site.source(a=BODY, b=b"b")
    with pytest.raises(MissingDataError, match=r"2 of 2 files of worms are missing.*--offline"):
        fetch(source, folder, offline=True)
    assert not folder.exists()
    fetch(source, folder)
    site.requests.clear()
    assert fetch(source, folder, offline=True) == folder
    assert site.requests == []


def test_an_altered_file_is_found_and_replaced(site, folder):
    source = site.source(a=BODY, b=b"bb", c=b"c")
    fetch(source, folder)
    (folder / "a.bin").write_bytes(BODY[::-1])
    (folder / "b.bin").write_bytes(b"b")
    (folder / "c.bin").unlink()
    states = {file.path: state for file, state in file_states(source, folder)}
    assert states == {"a.bin": "altered", "b.bin": "altered", "c.bin": "missing"}
    assert [file.path for file in missing_files(source, folder)] == ["c.bin"]
    fetch(source, folder)
    assert {state for _, state in file_states(source, folder)} == {"ok"}


def test_a_folder_that_cannot_be_written_is_one_line(site, tmp_path):
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(InputError, match="--data-dir"):
        fetch(site.source(a=b"a"), tmp_path / "file" / "worms")
