"""Weights fetched from a record: whole, cut, resumed, from mirrors, from a file."""

from __future__ import annotations

import hashlib
import os
import pty
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from archive_server import ARCHIVE, MIRROR, RECORD, ArchiveServer, serve
from fetching import OUTPUT_EXIT_CODE, assert_refused, fetch, find_partial, list_names, run_fetch
from seven_zip import STORED, pack

from deepisles.weights.bundle import Bundle
from deepisles.weights.fetching import free_space, patience
from deepisles.weights.import_published import import_published
from deepisles.weights.writing import BundleWriter

DEEPISLES = [sys.executable, "-c", "from deepisles.cli import main; main()"]


@pytest.fixture(scope="module")
def archive(small_tree: Path, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return pack(small_tree, tmp_path_factory.mktemp("archive") / "small.7z").read_bytes()


@pytest.fixture(scope="module")
def digest(small_tree: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Import the same tree without an archive."""
    folder = tmp_path_factory.mktemp("direct") / "published"
    import_published(small_tree, folder, "published")
    return Bundle.open(folder).digest


@pytest.fixture(autouse=True)
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Wait no time, and note how long it would have been."""
    noted: list[float] = []
    monkeypatch.setattr(patience, "time", SimpleNamespace(sleep=noted.append))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    return noted


@pytest.fixture
def server(archive: bytes) -> Iterator[ArchiveServer]:
    with serve(archive) as started:
        yield started


@pytest.fixture
def destination(tmp_path: Path) -> Path:
    return tmp_path / "models" / "published"


@pytest.fixture
def _one_thread() -> Iterator[None]:
    """Import with one thread: on busy machines those of the small probing networks wait for each other."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def assert_fetched(destination: Path, digest: str) -> None:
    bundle = Bundle.open(destination)
    bundle.verify()
    assert bundle.digest == digest
    assert [path.name for path in destination.parent.iterdir()] == [destination.name]


def test_what_was_found_is_said(server: ArchiveServer, destination: Path, digest: str) -> None:
    done = fetch(server, destination)
    assert done.exit_code == 0, done.output
    assert done.stderr == ""
    assert re.search(r"^SEALS: 5 networks, \d+\.\d MB$", done.stdout, re.MULTILINE)
    assert f"archive: md5:{hashlib.md5(server.content, usedforsecurity=False).hexdigest()}" in done.stdout
    assert f"digest:  sha256:{digest}" in done.stdout
    assert f"bundle:  {destination}" in done.stdout
    assert_fetched(destination, digest)
    assert [path for path, _ in server.requests] == [RECORD, ARCHIVE]
    assert all(headers["user-agent"].startswith("deepisles/") for _, headers in server.requests)


@pytest.mark.usefixtures("_one_thread")
def test_the_golden_weights_over_a_bad_line(
    golden: Path, tiny_bundle: Path, destination: Path, tmp_path: Path, waits: list[float]
) -> None:
    packed = pack(golden / "weights", tmp_path / "golden.7z", STORED).read_bytes()
    with serve(packed) as server:
        # more cuts than tries in a row that bring nothing would be allowed
        server.cuts = [3_000_000] * 8
        done = fetch(server, destination)
        assert done.exit_code == 0, done.output
        assert server.list_ranges() == [None, *(f"bytes={3_000_000 * count}-" for count in range(1, 9))]
    assert waits == [1.0] * 8
    # models/tiny is that tree, imported under another name
    direct = tmp_path / "direct"
    direct.mkdir()
    manifest = Bundle.open(tiny_bundle).manifest.model_copy(update={"name": "published"})
    BundleWriter(direct).finish(manifest, "")
    assert_fetched(destination, Bundle.open(direct).digest)
    networks = {name: len(Bundle.open(destination).load_networks(name)) for name in ("seals", "nvauto", "swan")}
    assert networks == {"seals": 5, "nvauto": 15, "swan": 10}


def test_a_server_that_knows_no_ranges(server: ArchiveServer, destination: Path, digest: str) -> None:
    server.knows_range = False
    server.cuts = [len(server.content) // 2, len(server.content) - 1]
    assert fetch(server, destination).exit_code == 0
    assert len(server.list_ranges()) == 3
    assert_fetched(destination, digest)


def test_a_part_that_is_answered_as_if_it_were_the_whole(server: ArchiveServer, destination: Path, digest: str) -> None:
    server.partial_status = 200
    server.cuts = [1000]
    assert fetch(server, destination).exit_code == 0
    assert_fetched(destination, digest)


def test_the_next_call_goes_on(server: ArchiveServer, destination: Path, digest: str) -> None:
    server.cuts = [2000, *[0] * 20]
    sentence = assert_refused(fetch(server, destination), destination, "run the command again")
    assert "6 times in a row" in sentence
    assert find_partial(destination).read_bytes() == server.content[:2000]
    server.cuts = []
    server.requests.clear()
    assert fetch(server, destination).exit_code == 0
    assert server.list_ranges() == ["bytes=2000-"]
    assert server.requests[-1][1]["if-range"] == '"first"'
    assert_fetched(destination, digest)


@pytest.mark.parametrize("knows_if_range", [True, False])
@pytest.mark.parametrize("headers", [{}, {"Last-Modified": "Wed, 29 Oct 2025 22:38:36 GMT"}])
def test_a_file_that_changed_is_begun_anew(
    server: ArchiveServer, destination: Path, digest: str, knows_if_range: bool, headers: dict[str, str]
) -> None:
    content, server.content = server.content, bytes(len(server.content))
    options = ("--url", server.address(ARCHIVE), "--digest", f"sha256:{hashlib.sha256(content).hexdigest()}")
    server.knows_if_range = knows_if_range
    server.etag = None if headers else '"zeros"'
    server.archive_headers = {"Last-Modified": "Mon, 01 Jan 2024 00:00:00 GMT"} if headers else {}
    server.cuts = [2000, *[0] * 20]
    assert_refused(run_fetch(destination, *options), destination)
    assert find_partial(destination).read_bytes() == bytes(2000)
    server.content, server.cuts, server.archive_headers = content, [], headers
    server.etag = None if headers else '"numbers"'
    assert run_fetch(destination, *options).exit_code == 0
    assert_fetched(destination, digest)


def test_a_beginning_of_another_archive_is_of_no_use(server: ArchiveServer, destination: Path, digest: str) -> None:
    content, server.content = server.content, b"another archive" * 1000
    server.cuts = [2000, *[0] * 20]
    assert_refused(fetch(server, destination), destination)
    server.content, server.cuts = content, []
    server.requests.clear()
    assert fetch(server, destination).exit_code == 0
    assert server.list_ranges() == [None]
    assert_fetched(destination, digest)


def test_killed_and_called_again(server: ArchiveServer, destination: Path, digest: str) -> None:
    server.is_chunked = True
    half = len(server.content) // 2
    server.cuts = [half, *[0] * 20]
    command = [*DEEPISLES, "weights", "fetch", str(destination), "--record", server.address(RECORD)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    assert "trying again in 1 s" in process.stderr.readline()
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert not destination.exists()
    assert find_partial(destination).stat().st_size == half
    server.cuts = []
    assert fetch(server, destination).exit_code == 0
    assert server.list_ranges()[-1] == f"bytes={half}-"
    assert_fetched(destination, digest)


def test_a_busy_server(server: ArchiveServer, destination: Path, digest: str, waits: list[float]) -> None:
    server.record_statuses = [503, 500]
    server.statuses = [429, 503, 502]
    server.status_headers = {"Retry-After": "60"}
    assert fetch(server, destination).exit_code == 0
    assert waits == [60.0] * 5
    server.status_headers = {}
    server.statuses = [503, 503, 503]
    waits.clear()
    assert fetch(server, destination, "--replace").exit_code == 0
    assert waits == [1.0, 2.0, 4.0]
    assert_fetched(destination, digest)


def test_mirrors_are_tried_in_order(
    server: ArchiveServer, destination: Path, digest: str, caplog: pytest.LogCaptureFixture
) -> None:
    server.mirror = b"7z no more"
    server.cuts = [1000]
    mirrors = [server.address(path) for path in ("/gone.7z?token=secret", MIRROR, "/moved")]
    options = [part for mirror in mirrors for part in ("--url", mirror)]
    done = fetch(server, destination, *options)
    assert done.exit_code == 0, done.output
    assert [path for path, _ in server.requests] == [
        RECORD,
        "/gone.7z?token=secret",
        MIRROR,
        "/moved",
        *[ARCHIVE, "/moved", ARCHIVE],
    ]
    assert "answers 404 Not Found" in caplog.text
    assert "10 bytes where the record says" in caplog.text
    assert "secret" not in caplog.text
    assert_fetched(destination, digest)


def test_with_address_and_digest_no_record_is_asked(server: ArchiveServer, destination: Path, digest: str) -> None:
    given = f"SHA256:{hashlib.sha256(server.content).hexdigest().upper()}"
    done = run_fetch(destination, "--url", server.address(ARCHIVE), "--digest", given)
    assert done.exit_code == 0, done.output
    assert given.lower() in done.stdout
    assert [path for path, _ in server.requests] == [ARCHIVE]
    assert_fetched(destination, digest)


def test_a_file_that_was_downloaded_already(archive: bytes, destination: Path, digest: str, tmp_path: Path) -> None:
    path = tmp_path / "weights.7z"
    path.write_bytes(archive)
    done = run_fetch(destination, "--file", path, "--digest", f"sha256:{hashlib.sha256(archive).hexdigest()}")
    assert done.exit_code == 0, done.output
    assert_fetched(destination, digest)
    assert path.read_bytes() == archive


def test_a_bundle_that_is_there_is_not_fetched_again(server: ArchiveServer, destination: Path, digest: str) -> None:
    assert fetch(server, destination).exit_code == 0
    server.requests.clear()
    done = fetch(server, destination)
    assert done.exit_code == 0
    assert "the bundle was there and is whole" in done.stdout
    assert server.requests == []
    # unless it is damaged, or that is asked for
    (destination / "seals" / "fold1.safetensors").write_bytes(b"damaged")
    assert fetch(server, destination).exit_code == 0
    assert_fetched(destination, digest)
    assert fetch(server, destination, "--replace").exit_code == 0
    assert len(server.list_ranges()) == 2


def test_a_full_disk(server: ArchiveServer, destination: Path, digest: str, monkeypatch: pytest.MonkeyPatch) -> None:
    free = [10**6]
    monkeypatch.setattr(free_space.shutil, "disk_usage", lambda folder: SimpleNamespace(free=free[0]))
    refused = {"exit_code": OUTPUT_EXIT_CODE}
    free[0] = len(server.content)
    assert_refused(fetch(server, destination), destination, "GB free where", "the download", **refused)
    assert list(destination.parent.iterdir()) == []
    # room for the download, by the guess, but not for what it turns out to hold
    free[0] = 2 * len(server.content)
    monkeypatch.setattr(free_space, "UNPACKED_PER_ARCHIVE_BYTE", 0.5)
    assert_refused(fetch(server, destination), destination, "GB free where", "the unpacked weights", **refused)
    assert list_names(destination.parent) == [".published.fetch/archive.7z.part", ".published.fetch/origin.json"]
    # with more room, nothing is downloaded twice
    free[0] = 10**12
    server.requests.clear()
    assert fetch(server, destination).exit_code == 0
    assert server.list_ranges() == []
    assert_fetched(destination, digest)


def test_progress_is_for_terminals(archive: bytes, destination: Path, tmp_path: Path) -> None:
    path = tmp_path / "weights.7z"
    path.write_bytes(archive)
    given = f"sha256:{hashlib.sha256(archive).hexdigest()}"
    command = [*DEEPISLES, "weights", "fetch", str(destination), "--file", str(path), "--digest", given]
    ours, theirs = pty.openpty()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=theirs, env={**os.environ, "TERM": "xterm"})
    os.close(theirs)
    shown = b""
    while True:
        try:
            shown += os.read(ours, 4096)
        except OSError:
            break
    assert process.wait(timeout=60) == 0
    os.close(ours)
    for stage in (b"Checking", b"Unpacking", b"Importing"):
        assert stage in shown


def test_help_needs_none_of_it() -> None:
    check = "import sys, deepisles.cli; assert not {'httpx2', 'py7zr', 'rich.progress', 'torch'} & sys.modules.keys()"
    started = time.perf_counter()
    subprocess.run([sys.executable, "-c", check], check=True)
    assert time.perf_counter() - started < 5
