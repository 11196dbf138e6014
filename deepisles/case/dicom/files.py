"""DICOM files told from others by their first bytes, whatever their names; nothing heavy is imported for it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

PREAMBLE_BYTES: Final = 128
MAGIC: Final = b"DICM"
"""Follows the preamble (PS3.10 7.1)."""


def is_dicom(path: Path) -> bool:
    """Whether a file begins as DICOM files do."""
    try:
        with path.open("rb") as file:
            return file.read(PREAMBLE_BYTES + len(MAGIC))[PREAMBLE_BYTES:] == MAGIC
    except OSError:
        return False


def holds_dicom(folder: Path) -> bool:
    """Whether a DICOM file lies somewhere below a folder."""
    return any(is_dicom(path) for path in list_files(folder))


def list_files(folder: Path) -> Iterator[Path]:
    """List the files below a folder in a fixed order; links inside it are not followed, nor hidden files listed."""
    for parent, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            path = Path(parent, name)
            # a link may lead out of the folder
            if not name.startswith(".") and not path.is_symlink() and path.is_file():
                yield path
