"""A Zenodo record on loopback, whose server behaves as badly as a test asks."""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

RECORD = "/api/records/14026715"
ARCHIVE_NAME = "stroke_ensemble_weights.7z"
ARCHIVE = f"{RECORD}/files/{ARCHIVE_NAME}/content"
MIRROR = "/mirror/weights.7z"


@dataclass
class ArchiveServer:
    """What the server gives, and how.

    Lists are used up from the front, one item per request for the archive: `statuses` are answered instead of the
    file, after `cuts` bytes of an answer the line is cut.
    """

    content: bytes
    port: int = 0
    record: dict[str, Any] | bytes | None = None
    record_statuses: list[int] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    cuts: list[int] = field(default_factory=list)
    status_headers: dict[str, str] = field(default_factory=dict)
    mirror: bytes | None = None
    etag: str | None = '"first"'
    knows_range: bool = True
    knows_if_range: bool = True
    partial_status: int = 206
    announced: int | None = None
    is_chunked: bool = False
    archive_headers: dict[str, str] = field(default_factory=dict)
    requests: list[tuple[str, dict[str, str]]] = field(default_factory=list)

    def address(self, path: str) -> str:
        """Give the whole address of a path."""
        return f"http://127.0.0.1:{self.port}{path}"

    def describe(self) -> dict[str, Any]:
        """Describe the archive as Zenodo does, among what else a record says."""
        file = {
            "id": "b6b3c6e8",
            "key": ARCHIVE_NAME,
            "size": len(self.content),
            "checksum": f"md5:{hashlib.md5(self.content, usedforsecurity=False).hexdigest()}",
            "links": {"self": self.address(ARCHIVE)},
        }
        other = {**file, "key": "readme.txt", "size": 3, "links": {"self": self.address("/readme.txt")}}
        return {"id": 14026715, "title": "Model weights", "files": [other, file], "metadata": {"version": "v1"}}

    def list_ranges(self) -> list[str | None]:
        """List from where the archive was asked for, request by request."""
        return [headers.get("range") for path, headers in self.requests if path in (ARCHIVE, MIRROR)]


@contextmanager
def serve(content: bytes) -> Iterator[ArchiveServer]:
    """Serve an archive and its record until the end of the `with` block."""
    state = ArchiveServer(content)

    class Handler(_Handler):
        server_state = state

    server = _Server(("127.0.0.1", 0), Handler)
    state.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of clients that hang up."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_state: ArchiveServer

    def log_message(self, format: str, *arguments: Any) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        state = self.server_state
        state.requests.append((self.path, {name.lower(): value for name, value in self.headers.items()}))
        if self.path == RECORD:
            self._give_record()
        elif self.path == ARCHIVE or (self.path == MIRROR and state.mirror is None):
            self._give_archive()
        elif self.path == MIRROR and state.mirror is not None:
            self._give(200, state.mirror)
        elif self.path.startswith("/moved"):
            self._give(302, b"", Location=ARCHIVE)
        else:
            self._give(404, b"nothing here")

    def _give_record(self) -> None:
        state = self.server_state
        if state.record_statuses:
            self._give(state.record_statuses.pop(0), b"busy")
            return
        record = state.describe() if state.record is None else state.record
        self._give(200, record if isinstance(record, bytes) else json.dumps(record).encode())

    def _give(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in {**self.server_state.status_headers, **headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _give_archive(self) -> None:
        state = self.server_state
        if state.statuses:
            self._give(state.statuses.pop(0), b"busy")
            return
        start = self._find_start()
        if start >= len(state.content):
            self._give(416, b"", **{"Content-Range": f"bytes */{len(state.content)}"})
            return
        body = state.content[start:]
        self.send_response(state.partial_status if start else 200)
        if start:
            span = f"bytes {start}-{len(state.content) - 1}/{len(state.content)}"
            self.send_header("Content-Range", span)
        if state.etag:
            self.send_header("ETag", state.etag)
        for name, value in state.archive_headers.items():
            self.send_header(name, value)
        if state.is_chunked:
            self.send_header("Transfer-Encoding", "chunked")
        else:
            self.send_header("Content-Length", str(len(body) if state.announced is None else state.announced))
        self.end_headers()
        self._send(body)

    def _find_start(self) -> int:
        state = self.server_state
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        mark = state.etag or state.archive_headers.get("Last-Modified")
        is_changed = state.knows_if_range and self.headers.get("If-Range", mark) != mark
        return int(asked[1]) if asked and state.knows_range and not is_changed else 0

    def _send(self, body: bytes) -> None:
        state = self.server_state
        cut = state.cuts.pop(0) if state.cuts else None
        body = body[:cut]
        if state.is_chunked:
            self.wfile.write(b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in _divide(body)))
            self.wfile.write(b"" if cut is not None else b"0\r\n\r\n")
        else:
            self.wfile.write(body)
        if cut is not None or state.announced is not None:
            self.close_connection = True


def _divide(body: bytes) -> Iterator[bytes]:
    for start in range(0, len(body), 2**16):
        yield body[start : start + 2**16]
