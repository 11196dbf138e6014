"""A download that may have been cut: its bytes so far, and what they are the beginning of."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

from pydantic import BaseModel, ConfigDict, ValidationError

from deepisles.weights.fetching.digests import Digest


class Origin(BaseModel):
    """What a server said about a file when its download began.

    `address` is without what may be secret, `digest` what the file must be; `size_bytes`, `etag` and `last_modified`
    are absent where the server did not tell.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    address: str
    digest: str
    size_bytes: int | None = None
    etag: str | None = None
    last_modified: str | None = None

    def is_still(self, other: Origin) -> bool:
        """Tell whether what a server says now can be of the same file."""
        if self.size_bytes != other.size_bytes or self.digest != other.digest:
            return False
        # mirrors date and name the same bytes each in their own way; the digest judges what they make together
        if self.address != other.address:
            return True
        return (self.etag, self.last_modified) == (other.etag, other.last_modified)


class PartialDownload:
    """The beginning of a file, kept in a folder of its own.

    Parameters
    ----------
    folder : Path
        Where it is kept; is there.
    digest : Digest
        What the file must be in the end; the beginning of any other is discarded.
    """

    def __init__(self, folder: Path, digest: Digest) -> None:
        self.folder = folder
        self.path = folder / "archive.7z.part"
        self._origin_path = folder / "origin.json"
        self.origin = self._read_origin()
        if self.origin is None or self.origin.digest != str(digest):
            self.discard()

    @property
    def size_bytes(self) -> int:
        """How much is there."""
        return self.path.stat().st_size if self.path.is_file() else 0

    def begin(self, origin: Origin) -> None:
        """Begin anew."""
        self.discard()
        self._origin_path.write_text(origin.model_dump_json(indent=1), encoding="utf-8")
        self.path.touch()
        self.origin = origin

    def open(self) -> BinaryIO:
        """Open it, to add to it."""
        return self.path.open("ab")

    def discard(self) -> None:
        """Remove what is there."""
        self.path.unlink(missing_ok=True)
        self._origin_path.unlink(missing_ok=True)
        self.origin = None

    def _read_origin(self) -> Origin | None:
        try:
            return Origin.model_validate_json(self._origin_path.read_bytes()) if self.path.is_file() else None
        except (OSError, ValidationError):
            return None
