"""Digests of whole files, as `sha256:...` or `md5:...`."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from deepisles.errors import WeightsError
from deepisles.weights.fetching.progress import FetchProgress

CHUNK_BYTES = 2**20
_LENGTHS = {"md5": 32, "sha256": 64}


@dataclass(frozen=True)
class Digest:
    """A digest and how it was made.

    Parameters
    ----------
    algorithm : str
        "md5" or "sha256".
    value : str
        Lower-case hexadecimal digits.
    """

    algorithm: str
    value: str

    def __str__(self) -> str:
        return f"{self.algorithm}:{self.value}"

    @classmethod
    def parse(cls, text: str) -> Digest:
        """Read a digest as people and Zenodo write it.

        Raises
        ------
        WeightsError
            If it is none, or of another algorithm.
        """
        algorithm, _, value = text.strip().lower().partition(":")
        if not re.fullmatch(rf"[0-9a-f]{{{_LENGTHS.get(algorithm, 0)}}}", value) or not value:
            raise WeightsError(
                f"{text[:100]!r} is no digest; give sha256: and 64 hexadecimal digits, or md5: and 32 of them."
            )
        return cls(algorithm, value)

    def measure(self, path: Path, progress: FetchProgress) -> Digest:
        """Find a file's digest by the same algorithm.

        Raises
        ------
        WeightsError
            If the file cannot be read.
        """
        # md5 is what Zenodo gives: it tells a damaged download, as TLS vouches for the record itself
        state = hashlib.new(self.algorithm, usedforsecurity=False)
        try:
            progress.start("Checking", path.stat().st_size)
            with path.open("rb") as stream:
                while chunk := stream.read(CHUNK_BYTES):
                    state.update(chunk)
                    progress.advance(len(chunk))
        except OSError as error:
            raise WeightsError(f"The archive cannot be read ({error.strerror or error}); check its disk.") from error
        return Digest(self.algorithm, state.hexdigest())
