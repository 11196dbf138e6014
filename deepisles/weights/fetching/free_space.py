"""Whether a disk has room for what comes."""

from __future__ import annotations

import shutil
from pathlib import Path

from deepisles.errors import OutputError

UNPACKED_PER_ARCHIVE_BYTE = 1.2
"""A generous guess before the archive can say: trained numbers hardly shrink when packed."""


def check_space_for_fetch(folder: Path, missing_bytes: int, archive_bytes: int) -> None:
    """Check that a download, what it unpacks to and the bundle made of that fit.

    Parameters
    ----------
    folder : Path
        Where they go.
    missing_bytes : int
        What is still to be downloaded.
    archive_bytes : int
        The whole archive.

    Raises
    ------
    OutputError
        If they do not.
    """
    unpacked = int(archive_bytes * UNPACKED_PER_ARCHIVE_BYTE)
    check_space(folder, missing_bytes + 2 * unpacked, "the download, the unpacked weights and the bundle made of them")


def check_space_for_unpacking(folder: Path, unpacked_bytes: int) -> None:
    """Check that what an archive unpacks to, and the bundle made of that, fit.

    Raises
    ------
    OutputError
        If they do not.
    """
    check_space(folder, 2 * unpacked_bytes, "the unpacked weights and the bundle made of them")


def check_space(folder: Path, needed_bytes: int, purpose: str) -> None:
    """Check that something fits.

    Parameters
    ----------
    folder : Path
        Where it goes; it need not be there yet.
    needed_bytes : int
        How much it is.
    purpose : str
        What it is, for the error.

    Raises
    ------
    OutputError
        If it does not.
    """
    place = folder.resolve()
    existing = next(parent for parent in (place, *place.parents) if parent.exists())
    free_bytes = shutil.disk_usage(existing).free
    if free_bytes < needed_bytes:
        raise OutputError(
            f"The disk has {free_bytes / 1e9:.1f} GB free where {needed_bytes / 1e9:.1f} GB are needed for {purpose}; "
            f"make room, or give a destination on another disk."
        )
