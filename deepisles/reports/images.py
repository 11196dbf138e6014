"""Mask and map files."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import SimpleITK as sitk
from numpy.typing import NDArray

from deepisles.case.itk_images import to_image
from deepisles.case.volume import Grid, Volume
from deepisles.errors import OutputError


def write_volume(path: Path, array: NDArray[Any], grid: Grid) -> None:
    """Write an image, compressed, its format told by the name (.nii.gz, .nii, .mha).

    Parameters
    ----------
    path : Path
        Where; the file appears whole or not at all.
    array : numpy.ndarray
        (z, y, x).
    grid : Grid
        Its geometry.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    with whole_file(path) as temporary:
        try:
            sitk.WriteImage(to_image(Volume(array, grid)), str(temporary), useCompression=True)
        except RuntimeError as error:
            raise OutputError(f"Cannot write {path.name}: check the free space of the output folder.") from error


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file that appears whole or not at all.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    with whole_file(path) as temporary:
        temporary.write_bytes(content)


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Give a temporary name beside `path`, of the same format; on leaving it is synced and renamed, or removed.

    Raises
    ------
    OutputError
        If the folder cannot be written to.
    """
    temporary = path.with_name(f".partial-{os.getpid()}-{path.name}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        with temporary.open("rb") as written:
            os.fsync(written.fileno())
        temporary.replace(path)
    except OSError as error:
        raise OutputError(f"Cannot write {path.name} to the output folder: {error.strerror or error}.") from error
    finally:
        temporary.unlink(missing_ok=True)
