"""Downloads public data: pinned, checked, resumable.

pooch decides what is missing or altered and puts a file in place only when its sha256 is right;
the transfer itself is ours, because pooch can't resume one. What has arrived of a file lies in
``.partial/`` until it is whole, so an interrupted download goes on where it stopped.
"""

from __future__ import annotations

import contextlib
import hashlib
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

from trackbench.errors import InputError, MissingDataError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from trackbench.datasets.registry import RemoteFile, Source

    Progress = Callable[[int], None]
    """Called with the number of bytes that have arrived since the last call."""

__all__ = ["FileState", "fetch", "file_states", "missing_files"]

PARTIAL_FOLDER: Final = ".partial"
CHUNK: Final = 1 << 14
WORKERS: Final = 8
ATTEMPTS: Final = 4
FIRST_PAUSE_S: Final = 0.5
TIMEOUT_S: Final = 30.0

FileState = Literal["ok", "missing", "altered"]


def missing_files(source: Source, folder: Path) -> tuple[RemoteFile, ...]:
    """List the files of `source` that `folder` lacks; only their presence is looked at."""
    return tuple(file for file in source.files if not (folder / file.path).exists())


def file_states(source: Source, folder: Path) -> Iterator[tuple[RemoteFile, FileState]]:
    """Compare every file of `folder` with the registry: size and sha256."""
    for file in source.files:
        path = folder / file.path
        if not path.exists():
            yield file, "missing"
        elif path.stat().st_size != file.size:
            yield file, "altered"
        else:
            with path.open("rb") as stream:
                digest = hashlib.file_digest(stream, "sha256").hexdigest()
            yield file, "ok" if digest == file.sha256 else "altered"


def fetch(
    source: Source,
    folder: Path,
    *,
    offline: bool = False,
    progress: Progress | None = None,
    pause_s: float = FIRST_PAUSE_S,
) -> Path:
    """Download what `folder` lacks of `source`, and replace what is altered.

    Parameters
    ----------
    source : Source
    folder : Path
        Made if need be.
    offline : bool
        Never use the network: complain if something is missing.
    progress : callable, optional
        Told of the bytes as they arrive.
    pause_s : float
        Seconds before the second attempt at a file; doubles with each further one.

    Returns
    -------
    Path
        `folder`, which now holds every file with the right sha256.

    Raises
    ------
    MissingDataError
        Offline, a file that the server hasn't got, no connection, a wrong sha256.
    InputError
        The folder can't be written.
    """
    wanted = [file for file, state in file_states(source, folder) if state != "ok"]
    if wanted and offline:
        raise MissingDataError(
            f"{folder}: {len(wanted)} of {len(source.files)} files of {source.name} are missing",
            "run it again without --offline, or give --data-dir",
        )
    if not wanted:
        return folder
    try:
        for file in wanted:
            (folder / file.path).parent.mkdir(parents=True, exist_ok=True)
        (folder / PARTIAL_FOLDER).mkdir(exist_ok=True)
        _fetch_all(_Transfer(source, folder, progress or (lambda _: None), pause_s), wanted)
    except OSError as error:
        raise InputError(
            f"{folder}: {error.strerror or error}", "make the folder writable or give --data-dir"
        ) from None
    finally:
        _remove_empty_folders(folder)
    return folder


def _remove_empty_folders(folder: Path) -> None:
    for path in (*sorted(folder.rglob("*/"), reverse=True), folder):
        with contextlib.suppress(OSError):  # it holds something
            path.rmdir()


def _fetch_all(transfer: _Transfer, wanted: Sequence[RemoteFile]) -> None:
    with ThreadPoolExecutor(WORKERS) as pool:
        jobs = [pool.submit(transfer.fetch_file, file) for file in wanted]
        try:
            for job in jobs:
                job.result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


@dataclass(frozen=True)
class _Transfer:
    """Fetches single files of one source into one folder; safe to use from several threads."""

    source: Source
    folder: Path
    progress: Progress
    pause_s: float

    def fetch_file(self, file: RemoteFile) -> None:
        """Download one file and put it in place if its sha256 is right."""
        import pooch

        def download(url: str, output_file: str, _: Any) -> None:
            self._complete(url, file).replace(output_file)

        pooch.get_logger().setLevel("ERROR")
        registry = {file.path: f"sha256:{file.sha256}"}
        manager = pooch.create(path=self.folder, base_url=self.source.base, registry=registry)
        try:
            manager.fetch(file.path, downloader=download)
        except ValueError:
            raise MissingDataError(
                f"{self.source.base}{file.path}: what arrived has another sha256 than the "
                "registry pins",
                "try again; if it stays so, the file was changed and a newer trackbench is needed",
            ) from None

    def _complete(self, url: str, file: RemoteFile) -> Path:
        """Bring the partial file to its full size, in several attempts if need be."""
        import requests

        name = f"{file.path.replace('/', '__')}.{file.sha256[:8]}.part"
        part = self.folder / PARTIAL_FOLDER / name
        for attempt in range(ATTEMPTS):
            if attempt:
                time.sleep(self.pause_s * 2 ** (attempt - 1))
            try:
                self._continue(url, part, file.size)
            except requests.RequestException as error:
                reason = _reason(error)
                if not _worth_another_attempt(error):
                    break
            else:
                if part.stat().st_size == file.size:
                    return part
                reason = f"only {part.stat().st_size} of {file.size} bytes arrived"
        raise MissingDataError(f"{url}: {reason}", "run it again: what has arrived is kept")

    def _continue(self, url: str, part: Path, size: int) -> None:
        """Append to the partial file what the server still has to send."""
        import requests

        have = part.stat().st_size if part.exists() else 0
        if have == size:
            return
        headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={have}-"} if have else {})
        with requests.get(url, headers=headers, stream=True, timeout=TIMEOUT_S) as answer:
            answer.raise_for_status()
            resumed = answer.status_code == requests.codes.partial_content
            start = answer.headers.get("Content-Range", "")
            resumed = resumed and start.startswith(f"bytes {have}-")
            left = size - have if resumed else size
            with part.open("ab" if resumed else "wb") as stream:
                for chunk in answer.iter_content(CHUNK):
                    left -= len(chunk)
                    if left < 0:
                        raise MissingDataError(
                            f"{url}: more than the {size} bytes that the registry pins",
                            "the file was changed: a newer trackbench is needed",
                        )
                    stream.write(chunk)
                    self.progress(len(chunk))


def _reason(error: Any) -> str:
    if error.response is not None:
        return f"the server answers {error.response.status_code} {error.response.reason}"
    return f"no connection ({type(error).__name__})"


def _worth_another_attempt(error: Any) -> bool:
    status = error.response.status_code if error.response is not None else None
    return status is None or status == 429 or status >= 500
