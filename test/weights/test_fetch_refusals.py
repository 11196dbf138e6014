"""Servers that lie, archives that are damaged or evil: one sentence, and nothing left that is of no use."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from archive_server import ARCHIVE, RECORD, ArchiveServer, serve
from fetching import assert_refused, fetch, find_partial, list_names, run_fetch
from seven_zip import pack, pack_link, pack_names

from deepisles.errors import WeightsError
from deepisles.weights.fetching import patience
from deepisles.weights.fetching.digests import Digest
from deepisles.weights.fetching.progress import NoFetchProgress
from deepisles.weights.fetching.unpacking import UnpackingLimits, unpack_archive


@pytest.fixture(scope="module")
def archive(small_tree: Path, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return pack(small_tree, tmp_path_factory.mktemp("archive") / "small.7z").read_bytes()


@pytest.fixture(autouse=True)
def _no_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "time", SimpleNamespace(sleep=lambda seconds: None))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture
def server(archive: bytes) -> Iterator[ArchiveServer]:
    with serve(archive) as started:
        yield started


@pytest.fixture
def destination(tmp_path: Path) -> Path:
    return tmp_path / "models" / "published"


def assert_nothing_left(destination: Path) -> None:
    assert list(destination.parent.iterdir()) == []


def give(path: Path) -> tuple[str | Path, ...]:
    """Give options for an archive that is what its digest says."""
    return ("--file", path, "--digest", f"sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}")


# ------------------------------------------------------------------------------------------------------- servers


@pytest.mark.parametrize(
    ("status", "fragment"), [(404, "404 Not Found"), (403, "403 Forbidden"), (410, "410 Gone"), (204, "204 No Content")]
)
def test_a_final_answer(server: ArchiveServer, destination: Path, status: int, fragment: str) -> None:
    server.record_statuses = [status]
    assert_refused(fetch(server, destination), destination, fragment, RECORD)
    server.statuses = [status]
    assert_refused(fetch(server, destination), destination, fragment, ARCHIVE)
    assert len(server.requests) == 3
    assert_nothing_left(destination)


def test_a_server_that_stays_busy(server: ArchiveServer, destination: Path) -> None:
    server.statuses = [503] * 20
    assert_refused(fetch(server, destination), destination, "503 Service Unavailable, 6 times in a row")
    assert_nothing_left(destination)


def test_nobody_answers(server: ArchiveServer, destination: Path) -> None:
    with serve(b"") as gone:
        pass
    assert_refused(fetch(gone, destination), destination, "The connection to", "Connection refused")
    assert_nothing_left(destination)


@pytest.mark.parametrize("address", ["ftp://127.0.0.1/a.7z", "a.7z", "http://", "https://a:b:c/", ""])
def test_no_address(server: ArchiveServer, destination: Path, address: str) -> None:
    done = run_fetch(destination, "--url", address, "--digest", f"md5:{'0' * 32}")
    assert_refused(done, destination, "is no web address")
    assert_nothing_left(destination)


@pytest.mark.parametrize("difference", [-1000, 1000])
def test_another_size_than_the_record_says(server: ArchiveServer, destination: Path, difference: int) -> None:
    server.announced = len(server.content) + difference
    done = fetch(server, destination)
    assert_refused(done, destination, f"has {server.announced} bytes where the record says {len(server.content)}")
    assert_nothing_left(destination)


def test_less_than_announced_and_no_record_to_know_it(server: ArchiveServer, destination: Path) -> None:
    server.announced = len(server.content) + 1000
    options = ("--url", server.address(ARCHIVE), "--digest", f"md5:{hashlib.md5(server.content).hexdigest()}")  # noqa: S324
    assert_refused(run_fetch(destination, *options), destination, "times in a row")
    assert len(server.requests) > 5


@pytest.mark.parametrize("is_chunked", [True, False])
def test_more_than_the_record_says(server: ArchiveServer, destination: Path, is_chunked: bool) -> None:
    server.record = server.describe()
    server.content += b"more"
    server.is_chunked = is_chunked
    assert_refused(fetch(server, destination), destination, "more bytes than it says" if is_chunked else "bytes where")
    assert_nothing_left(destination)


def test_less_than_the_record_says(server: ArchiveServer, destination: Path) -> None:
    server.record = server.describe()
    server.content = server.content[:-5]
    server.is_chunked = True
    assert_refused(fetch(server, destination), destination, "times in a row")


def test_a_damaged_archive(server: ArchiveServer, destination: Path) -> None:
    server.record = server.describe()
    damaged = bytearray(server.content)
    damaged[len(damaged) // 2] ^= 1
    server.content = bytes(damaged)
    assert_refused(fetch(server, destination), destination, "is damaged or another file: its digest is md5:")
    assert_nothing_left(destination)


def test_a_beginning_that_was_damaged_on_disk(server: ArchiveServer, destination: Path) -> None:
    server.cuts = [2000, *[0] * 20]
    assert_refused(fetch(server, destination), destination)
    find_partial(destination).write_bytes(bytes(2000))
    server.cuts = []
    assert_refused(fetch(server, destination), destination, "is damaged or another file")
    assert_nothing_left(destination)
    assert fetch(server, destination).exit_code == 0


def test_a_body_that_is_packed_once_more(server: ArchiveServer, destination: Path) -> None:
    server.archive_headers = {"Content-Encoding": "gzip"}
    assert_refused(fetch(server, destination), destination, "asked not to")
    assert_nothing_left(destination)


def test_records_that_are_none(server: ArchiveServer, destination: Path) -> None:
    files = server.describe()["files"]

    def change(**changes: Any) -> bytes:
        return json.dumps({"files": [{**files[1], **changes}]}).encode()

    records = [b"", b"<html>", b"[]", b"{}", b'{"files": {}}', b"\xff" * 100, b" " * 5_000_000]
    records += [change(size=0), change(size=10**12), change(size="many"), change(links={}), change(checksum=None)]
    records += [change(checksum="crc32:00000000"), change(key="another.7z"), json.dumps({"files": files * 2}).encode()]
    for record in records:
        server.record = record
        assert_refused(fetch(server, destination), destination)
    assert server.list_ranges() == []
    assert_nothing_left(destination)


def test_two_at_a_time(server: ArchiveServer, destination: Path) -> None:
    from deepisles.weights.fetching.fetch import _work_folder

    with _work_folder(destination):
        assert_refused(fetch(server, destination), destination, "by another process")
    assert_nothing_left(destination)


def test_a_destination_that_holds_something_else(server: ArchiveServer, destination: Path) -> None:
    destination.mkdir(parents=True)
    (destination / "mine.txt").write_text("keep")
    done = fetch(server, destination)
    assert done.exit_code == 5
    assert "holds something that is no weights bundle" in done.stderr
    assert server.requests == []
    assert list_names(destination.parent) == ["published/mine.txt"]


# ------------------------------------------------------------------------------------------------------ archives


def test_a_given_archive_is_checked(archive: bytes, destination: Path, tmp_path: Path) -> None:
    path = tmp_path / "weights.7z"
    path.write_bytes(archive)
    # without a digest it must be the published one
    assert_refused(run_fetch(destination, "--file", path), destination, "is damaged or another file", "--digest")
    wrong = ("--digest", f"sha256:{'0' * 64}")
    assert_refused(run_fetch(destination, "--file", path, *wrong), destination, "is damaged or another file")
    assert_refused(run_fetch(destination, "--file", tmp_path / "absent.7z"), destination, "There is no file")
    assert_refused(run_fetch(destination, "--file", tmp_path), destination, "There is no file")
    assert_refused(run_fetch(destination, "--file", path, "--url", "https://x"), destination, "not both")
    assert_refused(run_fetch(destination, "--file", path, "--digest", "sha256:12"), destination, "is no digest")
    assert path.read_bytes() == archive


@pytest.mark.parametrize("where", ["start", "header", "data", "end", "tail", "empty", "text"])
def test_a_given_archive_that_is_damaged(archive: bytes, destination: Path, tmp_path: Path, where: str) -> None:
    damaged = {
        "start": bytes(16) + archive[16:],
        "header": archive[:-20] + bytes([archive[-20] ^ 255]) + archive[-19:],
        "data": archive[:5000] + bytes([archive[5000] ^ 255]) + archive[5001:],
        "end": archive[: len(archive) // 2],
        "tail": archive[:-1],
        "empty": b"",
        "text": b"no archive\n" * 100,
    }[where]
    path = tmp_path / "weights.7z"
    path.write_bytes(damaged)
    assert_refused(run_fetch(destination, *give(path)), destination, "archive is damaged or no 7z archive")
    assert_nothing_left(destination)
    assert list_names(tmp_path) == ["weights.7z"]


ABSOLUTE = "/tmp/deepisles-escape"  # noqa: S108 - where anybody may write, so that it would be seen


@pytest.mark.parametrize(
    "name", ["../escape", "weights/../../escape", ABSOLUTE, "C:/escape", "..\\escape", "..", "a\nb"]
)
def test_paths_that_leave_the_folder(destination: Path, tmp_path: Path, name: str) -> None:
    packed = pack_names(tmp_path / "evil.7z", {"weights/SEALS/a": b"a", name: b"escaped"})
    with serve(packed.read_bytes()) as server:
        assert_refused(fetch(server, destination), destination, "outside of its folder")
    assert_refused(run_fetch(destination, *give(packed)), destination, "outside of its folder")
    assert_nothing_left(destination)
    assert list_names(tmp_path) == ["evil.7z"]
    assert not Path(ABSOLUTE).exists()


def test_links(destination: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    packed = pack_link(tmp_path / "evil.7z", tmp_path, str(outside))
    with serve(packed.read_bytes()) as server:
        assert_refused(fetch(server, destination), destination, "holds a link")
    assert_nothing_left(destination)
    assert list_names(tmp_path) == ["evil.7z"]


def test_a_bomb(destination: Path, tmp_path: Path) -> None:
    packed = pack_names(tmp_path / "bomb.7z", {"weights/SEALS/big": bytes(80 * 2**20)})
    assert packed.stat().st_size < 20_000
    with serve(packed.read_bytes()) as server:
        assert_refused(fetch(server, destination), destination, "would unpack to 83.9 MB", "too much")
    assert_nothing_left(destination)


def test_many_files(destination: Path, tmp_path: Path) -> None:
    packed = pack_names(tmp_path / "many.7z", {f"weights/{number}": b"" for number in range(10_001)})
    assert_refused(run_fetch(destination, *give(packed)), destination, "10001 files")
    assert_nothing_left(destination)


def test_a_file_where_there_is_a_folder(destination: Path, tmp_path: Path) -> None:
    for names in (("weights/a", "weights/a/b"), ("weights/a/b", "weights/a")):
        packed = pack_names(tmp_path / "odd.7z", dict.fromkeys(names, b"x"))
        assert_refused(run_fetch(destination, *give(packed)), destination, "where it also has a folder")
        packed.unlink()
    assert_nothing_left(destination)


def test_an_encrypted_archive(destination: Path, tmp_path: Path) -> None:
    packed = pack_names(tmp_path / "secret.7z", {"weights/SEALS/a": b"a"}, password="secret")  # noqa: S106
    assert_refused(run_fetch(destination, *give(packed)), destination, "encrypted")
    assert_nothing_left(destination)


@pytest.mark.parametrize("names", [["readme.txt"], ["weights/SEALS/readme.txt"], []])
def test_an_archive_of_something_else(destination: Path, tmp_path: Path, names: list[str]) -> None:
    packed = pack_names(tmp_path / "other.7z", dict.fromkeys(names, b"text"))
    with serve(packed.read_bytes()) as server:
        assert_refused(fetch(server, destination), destination)
    # what is refused for its content is of no use to the next call
    assert_nothing_left(destination)


def test_a_file_that_unpacks_to_more_than_it_says(archive: bytes, tmp_path: Path) -> None:
    from deepisles.weights.fetching.unpacking import _File

    file = _File(tmp_path / "a", 4, NoFetchProgress())
    file.write(b"1234")
    with pytest.raises(WeightsError, match="more than it says"):
        file.write(b"5")
    file.close()
    assert (tmp_path / "a").read_bytes() == b"1234"


def test_limits_are_looked_at_one_by_one(archive: bytes, tmp_path: Path) -> None:
    packed = tmp_path / "small.7z"
    packed.write_bytes(archive)
    for number, limits in enumerate([UnpackingLimits(total_bytes=1000), UnpackingLimits(ratio=0, small_bytes=1000)]):
        folder = tmp_path / str(number)
        folder.mkdir()
        with pytest.raises(WeightsError, match="too much"):
            unpack_archive(packed, folder, NoFetchProgress(), limits)
        assert list(folder.iterdir()) == []


def test_digests_as_people_write_them() -> None:
    assert str(Digest.parse(" SHA256:" + "AB" * 32)) == "sha256:" + "ab" * 32
    for text in ("", "md5", "md5:", ":", "ab" * 16, "md5:" + "g" * 32, "sha1:" + "a" * 40, "sha256:" + "a" * 32):
        with pytest.raises(WeightsError, match="is no digest"):
            Digest.parse(text)
