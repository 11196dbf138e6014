"""The atlas fetched from a server on loopback."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from archive_server import MIRROR, ArchiveServer, serve
from atlas_files import write_atlas
from typer.testing import CliRunner

from deepisles.atlas.known import PUBLISHED
from deepisles.atlas.store import ATLAS_VARIABLE, open_atlas
from deepisles.cli import app
from deepisles.weights.fetching import patience

ATLAS_EXIT_CODE = 5


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(ATLAS_VARIABLE, str(tmp_path / "atlas"))
    monkeypatch.setattr(patience, "time", SimpleNamespace(sleep=lambda seconds: None))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    return tmp_path / "atlas"


@pytest.fixture
def content(tmp_path: Path) -> bytes:
    return write_atlas(tmp_path / "made.nii.gz").read_bytes()


@pytest.fixture
def server(content: bytes) -> Iterator[ArchiveServer]:
    with serve(content) as started:
        yield started


def fetch(server: ArchiveServer, *options: str):
    return CliRunner().invoke(app, ["atlas", "fetch", "--url", server.address(MIRROR), *options])


def describe(content: bytes) -> tuple[str, ...]:
    return "--digest", f"sha256:{hashlib.sha256(content).hexdigest()}", "--labels", "jhu-level-1"


def test_fetching_installs(server, content):
    done = fetch(server, *describe(content))
    assert done.exit_code == 0, done.output
    assert open_atlas().sha256 == hashlib.sha256(content).hexdigest()


def test_a_busy_server_is_asked_again(server, content):
    server.statuses = [503, 503]
    assert fetch(server, *describe(content)).exit_code == 0
    assert open_atlas() is not None


@pytest.mark.parametrize("status", [404, 503])
def test_a_server_without_it_is_told(server, content, folder, status):
    server.statuses = [status] * 20
    done = fetch(server, *describe(content))
    assert done.exit_code == ATLAS_EXIT_CODE
    sentence = done.stderr.splitlines()[-1]
    assert str(status) in sentence
    assert sentence.endswith(".")
    assert "goes on where" not in sentence
    assert not folder.exists()


def test_another_file_than_the_published_one_is_refused(server, folder):
    done = fetch(server)
    assert done.exit_code == ATLAS_EXIT_CODE
    assert PUBLISHED.sha256 in done.stderr
    assert not folder.exists()


def test_the_published_file_needs_no_more_words(shared, server):
    server.mirror = (shared / "data" / "atlas" / "ArterialAtlas136.nii.gz").read_bytes()
    done = fetch(server)
    assert done.exit_code == 0, done.output
    assert open_atlas().name == PUBLISHED.name
