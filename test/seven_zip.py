"""7z archives: of a folder, and such as nobody should unpack."""

from __future__ import annotations

from pathlib import Path
from unittest import mock

import py7zr

FAST = [{"id": py7zr.FILTER_LZMA2, "preset": 0}]
STORED = [{"id": py7zr.FILTER_COPY}]


def pack(folder: Path, archive: Path, filters: list[dict[str, int]] = FAST) -> Path:
    """Pack a folder as the published archive is packed: below one folder of its own."""
    with py7zr.SevenZipFile(archive, "w", filters=filters) as opened:
        opened.writeall(folder, "weights")
    return archive


def pack_names(archive: Path, contents: dict[str, bytes], password: str | None = None) -> Path:
    """Pack contents under names, whatever these are."""
    filters = None if password else FAST
    # py7zr itself would write none of the evil ones
    with (
        mock.patch("py7zr.py7zr.check_archive_path", return_value=True),
        py7zr.SevenZipFile(archive, "w", filters=filters, password=password) as opened,
    ):
        for name, content in contents.items():
            opened.writestr(content, name)
    return archive


def pack_link(archive: Path, scratch: Path, target: str) -> Path:
    """Pack a symbolic link, and a file that would be written through it."""
    link = scratch / "link"
    link.symlink_to(target)
    with py7zr.SevenZipFile(archive, "w", filters=FAST) as opened:
        opened.write(link, "weights/link")
        opened.writestr(b"through", "weights/link/through.txt")
    link.unlink()
    return archive
